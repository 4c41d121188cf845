"""The token policy on a real Redis, under the test's own time (rate 5 a minute, a tick in 60 s)."""

from __future__ import annotations

import pytest
import redis

from keepa_deals.token_manager import Reservation, TokenManager
from tests.support.accounts import (
    BULK_LATER,
    PERIOD,
    SLACK,
    START_MS,
    ManualTime,
    available,
    call_of,
    envelope,
    manager,
    until_tick,
    waited,
)


# -- the rules of the replaced system ------------------------------------------------------------
def test_at_40_and_recovering_a_small_request_goes_at_once(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(40))
    assert tokens.request_permission_for_call(5).cost == 5
    assert waited(time) == 0


def test_at_40_and_recovering_a_request_of_20_waits_for_55(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(40))
    assert tokens.request_permission_for_call(20).cost == 20
    assert waited(time) == pytest.approx(until_tick(3) + BULK_LATER)  # 45, 50 (not enough any more), 55


def test_at_50_bulk_goes_at_once(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(50))
    tokens.request_permission_for_call(20)
    assert waited(time) == 0


def test_at_49_bulk_waits_for_55(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(49))
    tokens.request_permission_for_call(20)
    assert waited(time) == pytest.approx(until_tick(2) + BULK_LATER)


def test_at_3_a_small_request_waits_for_the_tick_that_brings_5(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(3, refill_in=20_000))
    tokens.request_permission_for_call(5)
    assert waited(time) == pytest.approx(until_tick(1, first=20))


def test_from_a_negative_balance_the_small_one_goes_long_before_the_big_one(
    real_redis: redis.Redis,
) -> None:
    small, big = ManualTime(), ManualTime()
    for time, account in ((small, "a"), (big, "b")):
        manager(real_redis, time, account=account).update_after_call(envelope(-20))
    manager(real_redis, small, account="a").request_permission_for_call(5)
    manager(real_redis, big, account="b").request_permission_for_call(20)
    assert waited(small) == pytest.approx(until_tick(5))
    assert waited(big) == pytest.approx(until_tick(15) + BULK_LATER)


@pytest.mark.parametrize(("cost", "lane"), [(10, "small"), (11, "bulk")])
def test_the_priority_pass_ends_at_its_maximum(tokens: TokenManager, cost: int, lane: str) -> None:
    tokens.update_after_call(envelope(200))
    assert tokens.request_permission_for_call(cost).lane == lane


# -- accounting ----------------------------------------------------------------------------------
def test_a_reservation_counts_until_the_answer_settles_it(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(100))
    reservation = tokens.request_permission_for_call(20)
    assert available(tokens) == 80
    reservation.settle(envelope(97, at=START_MS + 500, consumed=3))
    assert available(tokens) == 97


def test_an_older_answer_frees_its_reservation_and_nothing_else(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(100))
    first = tokens.request_permission_for_call(5)
    second = tokens.request_permission_for_call(5)
    second.settle(envelope(90, at=START_MS + 900, consumed=5))
    first.settle(envelope(95, at=START_MS + 400, consumed=5))
    assert available(tokens) == 90


def test_of_two_answers_of_one_millisecond_the_poorer_one_counts(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(90))
    tokens.update_after_call(envelope(95))
    assert available(tokens) == 90


def test_ticks_are_never_counted_early(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(0, refill_in=10_000))
    time.ms += 10_000 + round(SLACK * 1000) - 1
    assert available(tokens) == 0
    time.ms += 1
    assert available(tokens) == 5
    time.ms += round(PERIOD * 1000) - 1
    assert available(tokens) == 5
    time.ms += 1
    assert available(tokens) == 10


def test_the_balance_stops_at_the_capacity(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(290))
    time.ms += 3_500_000
    assert available(tokens) == 300


def test_a_new_plan_and_a_flow_reduction_take_effect_with_the_next_answer(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(0))
    tokens.update_after_call(envelope(0, rate=20, reduction=7.5, at=START_MS + 1))
    time.ms += round(until_tick(1) * 1000)
    assert available(tokens) == 12


def test_a_call_that_was_never_answered_stays_reserved_for_a_while(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(100))
    with pytest.raises(RuntimeError), tokens.request_permission_for_call(20):
        raise RuntimeError("the connection broke")
    assert available(tokens) == 80
    time.ms += 60_001
    assert available(tokens) == 100  # its tick has not come


def test_a_dead_holders_reservation_expires(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(100))
    tokens.request_permission_for_call(20)
    time.ms += 119_999
    assert available(tokens) == 85
    time.ms += 1
    assert available(tokens) == 105


def test_a_permission_that_was_not_used_gives_its_tokens_back(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(100))
    tokens.request_permission_for_call(20).release()
    assert available(tokens) == 100


def test_bulk_reserves_the_worst_price_it_has_learned(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(300))
    batch = tokens.request_batch("product", max_items=100)
    assert batch.items == 72  # nothing learned yet: four times the documented price
    batch.settle(envelope(300 - 278, at=START_MS + 1, consumed=278))
    tokens.update_after_call(envelope(300, at=START_MS + 2))
    batch = tokens.request_batch("product", max_items=100)
    assert batch.items == 18  # (300 - 10) / (4 · 3.86)
    assert batch.cost == 278


def test_bulk_leaves_the_upserter_its_next_runs(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(60))
    batch = tokens.request_batch("product", max_items=100)
    assert batch.items == 12
    assert isinstance(tokens.try_acquire(5), Reservation)


def test_a_lost_answer_of_redis_does_not_grant_twice(tokens: TokenManager, real_redis: redis.Redis) -> None:
    tokens.update_after_call(envelope(100))
    request = call_of(tokens, 20)
    first, second = (tokens.bucket.poll(request, queue=True) for _ in range(2))
    assert isinstance(first, Reservation)
    assert isinstance(second, Reservation)
    assert available(tokens) == 80
