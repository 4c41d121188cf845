"""Who waits for tokens, how long, and who goes first; on a real Redis, under the test's own time."""

from __future__ import annotations

import logging
import threading

import pytest
import redis

from keepa_deals.errors import (
    CostExceedsCapacityError,
    TokensUnavailableError,
)
from keepa_deals.token_manager import Denied, Reservation, TokenManager
from tests.support.accounts import (
    PERIOD,
    SLACK,
    START_MS,
    ManualTime,
    call_of,
    envelope,
    manager,
    until_tick,
    waited,
)


def test_a_wait_is_one_nap_and_one_line(
    tokens: TokenManager, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    tokens.update_after_call(envelope(-20))
    with caplog.at_level(logging.INFO):
        tokens.request_permission_for_call(20, task="backfill_deals")
    assert len(time.naps) == 1
    (line,) = caplog.messages
    assert "backfill_deals" in line
    assert f"{until_tick(15):.0f} s" in line


def test_a_timeout_that_is_too_short_is_told_at_once(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    with pytest.raises(TokensUnavailableError) as error:
        tokens.request_permission_for_call(5, timeout=30)
    assert error.value.retry_after == pytest.approx(until_tick(1))
    assert waited(time) == 0
    assert tokens.snapshot().small.waiting == 0  # type: ignore[union-attr]


def test_trying_never_waits(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    refusal = tokens.try_acquire(5)
    assert isinstance(refusal, Denied)
    assert refusal.retry_after == pytest.approx(until_tick(1))
    assert not refusal


def test_a_settlement_wakes_who_waits(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    time.at_nap = lambda: tokens.update_after_call(envelope(80, at=START_MS + 1))
    tokens.request_permission_for_call(5)
    assert waited(time) == 0


def test_who_can_go_at_an_earlier_tick_is_woken_to_learn_it(
    tokens: TokenManager, real_redis: redis.Redis
) -> None:
    tokens.update_after_call(envelope(20, refill_in=20_000))
    cheap, _ = (tokens.request_permission_for_call(10) for _ in range(2))
    waiter = call_of(tokens, 9)
    first = tokens.bucket.poll(waiter, queue=True)
    assert isinstance(first, Denied)
    assert first.retry_after == pytest.approx(until_tick(2, first=20))
    cheap.settle(envelope(18, at=START_MS + 1, refill_in=20_000, consumed=2))
    assert real_redis.llen(tokens.bucket.wake_key(waiter)) == 1
    again = tokens.bucket.poll(waiter, queue=True)
    assert isinstance(again, Denied)
    assert again.retry_after == pytest.approx(until_tick(1, first=20))


def test_a_waiter_sleeping_on_redis_is_woken_by_a_settlement(real_redis: redis.Redis) -> None:
    tokens = TokenManager(real_redis, account="a")
    tokens.update_after_call(envelope(3))
    got = threading.Event()

    def wait() -> None:
        tokens.request_permission_for_call(5)
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while tokens.snapshot().small.waiting == 0:  # type: ignore[union-attr]
        assert not got.is_set()
    tokens.update_after_call(envelope(80, at=START_MS + 1))
    assert got.wait(10)
    thread.join()


def test_waiters_of_a_lane_are_served_in_order(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    first, second = (call_of(tokens, cost) for cost in (10, 5))
    assert isinstance(tokens.bucket.poll(first, queue=True), Denied)
    assert isinstance(tokens.bucket.poll(second, queue=True), Denied)
    time.ms += round(until_tick(1) * 1000)  # 8: enough for the second, which is not its turn
    assert isinstance(tokens.bucket.poll(second, queue=True), Denied)
    time.ms += round(PERIOD * 1000)
    assert isinstance(tokens.bucket.poll(second, queue=True), Denied)
    assert isinstance(tokens.bucket.poll(first, queue=True), Reservation)


def test_the_upserter_goes_before_other_small_requests(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    other = call_of(tokens, 5, task="somebody")
    upserter = call_of(tokens, 5, task="update_recent_deals")
    assert isinstance(tokens.bucket.poll(other, queue=True), Denied)
    assert isinstance(tokens.bucket.poll(upserter, queue=True), Denied)
    time.ms += round(until_tick(1) * 1000)
    assert isinstance(tokens.bucket.poll(other, queue=True), Denied)
    assert isinstance(tokens.bucket.poll(upserter, queue=True), Reservation)


def test_bulk_leaves_the_tokens_that_small_requests_wait_for(real_redis: redis.Redis) -> None:
    """A tick that is enough for them and not for both goes to the small lane, whoever asks first."""
    time = ManualTime()
    tokens = manager(real_redis, time)
    tokens.update_after_call(envelope(0, rate=60))
    waiting = [call_of(tokens, 10, task=f"reader {number}") for number in range(4)]
    for request in waiting:
        assert isinstance(tokens.bucket.poll(request, queue=True), Denied)
    time.ms += round(until_tick(1) * 1000)
    refusal = tokens.try_acquire(20)
    assert isinstance(refusal, Denied), "60 tokens, of which 40 are promised and 10 are the upserter's"
    for request in waiting:
        assert isinstance(tokens.bucket.poll(request, queue=True), Reservation)
    time.ms += round(PERIOD * 1000)
    assert isinstance(tokens.try_acquire(20), Reservation)


def test_small_requests_that_have_had_their_share_hold_bulk_up_no_longer(
    real_redis: redis.Redis,
) -> None:
    time = ManualTime()
    tokens = manager(real_redis, time)
    tokens.update_after_call(envelope(0, rate=20))
    bulk = call_of(tokens, 20)
    assert isinstance(tokens.bucket.poll(bulk, queue=True), Denied)
    ticks = 0
    while not isinstance(tokens.bucket.poll(bulk, queue=True), Reservation):
        for number in range(10):  # far more than the refill
            tokens.bucket.poll(call_of(tokens, 10, task=f"reader {number}"), queue=True)
        time.ms += round(1000 * (PERIOD if ticks else until_tick(1)))
        ticks += 1
        assert ticks <= 9, "bulk starves"  # 40 + 15 a tick are promised and reserved, 20 a tick come


def test_a_dead_waiter_does_not_block_the_queue(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    assert isinstance(tokens.bucket.poll(call_of(tokens, 10), queue=True), Denied)
    time.ms += 300_000
    assert isinstance(tokens.try_acquire(10), Reservation)


def test_a_stream_of_small_requests_leaves_bulk_its_share(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(40))
    bulk = call_of(tokens, 20)
    assert isinstance(tokens.bucket.poll(bulk, queue=True), Denied)
    ticks, at = 0, START_MS
    while not isinstance(tokens.bucket.poll(bulk, queue=True), Reservation):
        while reservation := tokens.try_acquire(5):
            assert isinstance(reservation, Reservation)
            snapshot = tokens.snapshot()
            assert snapshot is not None
            at += 1
            reservation.settle(
                envelope(snapshot.balance - 5, at=at, refill_in=round(1000 * (PERIOD - SLACK)), consumed=5)
            )
        time.ms += round(PERIOD * 1000)
        ticks += 1
        assert ticks < 100, "bulk starves"
    assert 11 < ticks <= 44  # alone it waits 3; its quarter of 5 a tick makes 55 in 44


def test_what_can_never_be_granted_fails_at_once(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(300))
    with pytest.raises(CostExceedsCapacityError, match="300"):
        tokens.request_permission_for_call(301)


@pytest.mark.parametrize("cost", [0, -1, 2.5, True])
def test_tokens_are_whole_numbers_from_1_on(tokens: TokenManager, cost: int) -> None:
    with pytest.raises(ValueError, match="cost="):
        tokens.request_permission_for_call(cost)
