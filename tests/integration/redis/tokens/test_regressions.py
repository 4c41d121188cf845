"""The failures of the replaced system that belong to the bucket, one test each (the rules at 40, 3 and below
zero are in ``test_token_manager.py``)."""

from __future__ import annotations

import pytest
import redis

from keepa_deals.errors import BalanceUnknownError, KeepaDealsError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.token_manager import Denied, Reservation
from tests.support.accounts import START_MS, ManualTime, envelope, manager, until_tick


def test_deadlock_greedy_bulk_between_every_two_runs_does_not_make_the_upserter_wait(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    """Bulk kept the balance near zero, and the upserter waited for 55 that never came."""
    tokens, left = manager(real_redis, time), 60
    tokens.update_after_call(envelope(left))
    for _ in range(100):
        began = time.ms
        page = tokens.request_permission_for_call(5, kind="deal", task="update_recent_deals")
        assert time.ms == began, "it waited"
        left -= 5
        page.settle(envelope(left, at=time.ms, consumed=5))
        bulk = tokens.try_acquire(20)
        if isinstance(bulk, Reservation):
            left -= 20
            bulk.settle(envelope(left, at=time.ms, consumed=20))
        time.ms += 60_250
        left += 5
        tokens.update_after_call(envelope(left, at=time.ms))


def test_skip_a_run_that_finds_too_little_is_told_when_and_then_gets_it(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    """The upserter left when tokens were low, run after run."""
    tokens = manager(real_redis, time)
    tokens.update_after_call(envelope(-7))
    refusal = tokens.try_acquire(5)
    assert isinstance(refusal, Denied)
    assert 120 < refusal.retry_after <= until_tick(3)
    assert tokens.request_permission_for_call(5).cost == 5


@pytest.mark.parametrize("price", [1, 2, 3, 3.86])
def test_a_batch_priced_up_to_four_times_leaves_no_deficit(
    real_redis: redis.Redis, time: ManualTime, price: float
) -> None:
    """A batch estimated at 100 tokens cost 386, and the balance went to -231."""
    tokens = manager(real_redis, time)
    tokens.update_after_call(envelope(155))
    batch = tokens.request_batch("product", max_items=100)
    charged = round(price * batch.items)
    batch.settle(envelope(155 - charged, at=START_MS + 1, consumed=charged))
    assert 155 - charged >= 5, "the upserter's next page"
    assert isinstance(tokens.try_acquire(5), Reservation)


def test_a_forced_sync_is_not_held_up_by_the_one_before(real_redis: redis.Redis, time: ManualTime) -> None:
    """A sync was due, and the throttle of the last one refused it."""
    asked: list[int] = []

    def sync() -> TokenEnvelope:
        asked.append(time.ms)
        return envelope(50, at=time.ms)

    tokens = manager(real_redis, time, sync=sync)
    for forgotten in (1, 2, 3):
        assert tokens.request_permission_for_call(5).cost == 5
        assert len(asked) == forgotten
        real_redis.flushdb()
    assert set(asked) == {START_MS}


def test_a_sync_that_failed_is_tried_again_within_seconds(real_redis: redis.Redis, time: ManualTime) -> None:
    answers: list[TokenEnvelope | Exception] = [KeepaDealsError("502"), envelope(50)]

    def sync() -> TokenEnvelope:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    tokens = manager(real_redis, time, sync=sync)
    with pytest.raises(BalanceUnknownError):
        tokens.request_permission_for_call(5)
    (lease,) = real_redis.keys("*:sync")
    assert 0 < real_redis.pttl(lease) <= 5000
    real_redis.delete(lease)  # as when its time is over
    assert tokens.request_permission_for_call(5).cost == 5


def test_two_processes_cannot_drift_apart(real_redis: redis.Redis, time: ManualTime) -> None:
    """Each process counted for itself, and both spent the same tokens."""
    one, other = manager(real_redis, time), manager(real_redis, time)
    one.update_after_call(envelope(9))
    granted = other.try_acquire(5)
    assert isinstance(granted, Reservation)
    assert isinstance(one.try_acquire(5), Denied)
    granted.settle(envelope(4, at=START_MS + 1, consumed=5))
    assert one.snapshot() == other.snapshot()
