"""The token policy on a real Redis, under the test's own time (rate 5 a minute, a tick in 60 s)."""

from __future__ import annotations

import logging
import threading

import pytest
import redis

from keepa_deals.errors import (
    BalanceUnknownError,
    CostExceedsCapacityError,
    StoreUnavailableError,
    TokensUnavailableError,
)
from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.redis_store import Keys
from keepa_deals.token_manager import Permission, Policy, Refusal, TokenManager
from tests.support.accounts import START_MS, ManualTime, envelope, manager
from tests.support.redis_server import RedisServer

SLACK = 0.25
"""Seconds by which ticks are counted late; bulk comes another one later."""


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def tokens(real_redis: redis.Redis, time: ManualTime) -> TokenManager:
    return manager(real_redis, time)


def waited(time: ManualTime) -> float:
    return (time.ms - START_MS) / 1000


# -- the rules of the replaced system ------------------------------------------------------------
def test_at_40_and_recovering_a_small_request_goes_at_once(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(40))
    assert tokens.request_permission_for_call(5).cost == 5
    assert waited(time) == 0


def test_at_40_and_recovering_a_request_of_20_waits_for_55(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(40))
    assert tokens.request_permission_for_call(20).cost == 20
    assert waited(time) == pytest.approx(180 + 2 * SLACK)  # 45, 50 (not enough any more), 55


def test_at_50_bulk_goes_at_once(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(50))
    tokens.request_permission_for_call(20)
    assert waited(time) == 0


def test_at_49_bulk_waits_for_55(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(49))
    tokens.request_permission_for_call(20)
    assert waited(time) == pytest.approx(120 + 2 * SLACK)


def test_at_3_a_small_request_waits_for_the_tick_that_brings_5(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(3, refill_in=20_000))
    tokens.request_permission_for_call(5)
    assert waited(time) == pytest.approx(20 + SLACK)


def test_from_a_negative_balance_the_small_one_goes_long_before_the_big_one(
    real_redis: redis.Redis,
) -> None:
    small, big = ManualTime(), ManualTime()
    for time, account in ((small, "a"), (big, "b")):
        manager(real_redis, time, account=account).update_after_call(envelope(-20))
    manager(real_redis, small, account="a").request_permission_for_call(5)
    manager(real_redis, big, account="b").request_permission_for_call(20)
    assert waited(small) == pytest.approx(300 + SLACK)
    assert waited(big) == pytest.approx(900 + 2 * SLACK)


@pytest.mark.parametrize(("cost", "lane"), [(10, "small"), (11, "bulk")])
def test_the_priority_pass_ends_at_its_maximum(tokens: TokenManager, cost: int, lane: str) -> None:
    tokens.update_after_call(envelope(200))
    assert tokens.request_permission_for_call(cost).lane == lane


# -- accounting ----------------------------------------------------------------------------------
def test_a_reservation_counts_until_the_answer_settles_it(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(100))
    permission = tokens.request_permission_for_call(20)
    assert available(tokens) == 80
    permission.settle(envelope(97, at=START_MS + 500, consumed=3))
    assert available(tokens) == 97


def available(tokens: TokenManager) -> int:
    snapshot = tokens.snapshot()
    assert snapshot is not None
    return snapshot.available


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
    time.ms += 10_000
    assert available(tokens) == 0
    time.ms += 250
    assert available(tokens) == 5
    time.ms += 59_999
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
    time.ms += 60_250
    assert available(tokens) == 12


def test_a_call_that_was_never_answered_stays_reserved_for_a_while(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(100))
    with pytest.raises(RuntimeError), tokens.request_permission_for_call(20):
        raise RuntimeError("the connection broke")
    assert available(tokens) == 80
    time.ms += 60_001
    assert available(tokens) == 100  # its tick has not come: 60.25 s


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
    assert isinstance(tokens.try_acquire(5), Permission)


def test_a_lost_answer_of_redis_does_not_grant_twice(tokens: TokenManager, real_redis: redis.Redis) -> None:
    tokens.update_after_call(envelope(100))
    request = tokens._exact(20, None, 1, None)
    first, second = (tokens._ask(request, queue=True) for _ in range(2))
    assert isinstance(first, Permission)
    assert isinstance(second, Permission)
    assert available(tokens) == 80


# -- waiting -------------------------------------------------------------------------------------
def test_a_wait_is_one_nap_and_one_line(
    tokens: TokenManager, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    tokens.update_after_call(envelope(-20))
    with caplog.at_level(logging.INFO):
        tokens.request_permission_for_call(20, task="backfill_deals")
    assert len(time.naps) == 1
    (line,) = caplog.messages
    assert "backfill_deals" in line
    assert "900 s" in line


def test_a_timeout_that_is_too_short_is_told_at_once(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    with pytest.raises(TokensUnavailableError) as error:
        tokens.request_permission_for_call(5, timeout=30)
    assert error.value.retry_after == pytest.approx(60 + SLACK)
    assert waited(time) == 0
    assert tokens.snapshot().small.waiting == 0  # type: ignore[union-attr]


def test_trying_never_waits(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    refusal = tokens.try_acquire(5)
    assert isinstance(refusal, Refusal)
    assert refusal.retry_after == pytest.approx(60 + SLACK)
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
    waiter = tokens._exact(9, None, 1, None)
    first = tokens._ask(waiter, queue=True)
    assert isinstance(first, Refusal)
    assert first.retry_after == pytest.approx(80 + SLACK)
    cheap.settle(envelope(18, at=START_MS + 1, refill_in=20_000, consumed=2))
    assert real_redis.llen(tokens._wake_prefix + waiter.id) == 1
    again = tokens._ask(waiter, queue=True)
    assert isinstance(again, Refusal)
    assert again.retry_after == pytest.approx(20 + SLACK)


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
    first, second = (tokens._exact(cost, None, 1, None) for cost in (10, 5))
    assert isinstance(tokens._ask(first, queue=True), Refusal)
    assert isinstance(tokens._ask(second, queue=True), Refusal)
    time.ms += 60_250  # 8: enough for the second, which is not its turn
    assert isinstance(tokens._ask(second, queue=True), Refusal)
    time.ms += 60_000
    assert isinstance(tokens._ask(second, queue=True), Refusal)
    assert isinstance(tokens._ask(first, queue=True), Permission)


def test_the_upserter_goes_before_other_small_requests(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    other = tokens._exact(5, None, 1, "somebody")
    upserter = tokens._exact(5, None, 1, "update_recent_deals")
    assert isinstance(tokens._ask(other, queue=True), Refusal)
    assert isinstance(tokens._ask(upserter, queue=True), Refusal)
    time.ms += 60_250
    assert isinstance(tokens._ask(other, queue=True), Refusal)
    assert isinstance(tokens._ask(upserter, queue=True), Permission)


def test_bulk_leaves_the_tokens_that_small_requests_wait_for(real_redis: redis.Redis) -> None:
    """A tick that is enough for them and not for both goes to the small lane, whoever asks first."""
    time = ManualTime()
    tokens = manager(real_redis, time)
    tokens.update_after_call(envelope(0, rate=60))
    waiting = [tokens._exact(10, None, 1, f"reader {number}") for number in range(4)]
    for request in waiting:
        assert isinstance(tokens._ask(request, queue=True), Refusal)
    time.ms += 60_250
    refusal = tokens.try_acquire(20)
    assert isinstance(refusal, Refusal), "60 tokens, of which 40 are promised and 10 are the upserter's"
    for request in waiting:
        assert isinstance(tokens._ask(request, queue=True), Permission)
    time.ms += 60_000
    assert isinstance(tokens.try_acquire(20), Permission)


def test_small_requests_that_have_had_their_share_hold_bulk_up_no_longer(
    real_redis: redis.Redis,
) -> None:
    time = ManualTime()
    tokens = manager(real_redis, time)
    tokens.update_after_call(envelope(0, rate=20))
    bulk = tokens._exact(20, None, 1, None)
    assert isinstance(tokens._ask(bulk, queue=True), Refusal)
    ticks = 0
    while not isinstance(tokens._ask(bulk, queue=True), Permission):
        for number in range(10):  # far more than the refill
            tokens._ask(tokens._exact(10, None, 1, f"reader {number}"), queue=True)
        time.ms += 60_000 + round(SLACK * 1000) * (ticks == 0)
        ticks += 1
        assert ticks <= 9, "bulk starves"  # 40 + 15 a tick are promised and reserved, 20 a tick come


def test_a_dead_waiter_does_not_block_the_queue(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(3))
    assert isinstance(tokens._ask(tokens._exact(10, None, 1, None), queue=True), Refusal)
    time.ms += 300_000
    assert isinstance(tokens.try_acquire(10), Permission)


def test_a_stream_of_small_requests_leaves_bulk_its_share(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(40))
    bulk = tokens._exact(20, None, 1, None)
    assert isinstance(tokens._ask(bulk, queue=True), Refusal)
    ticks, at = 0, START_MS
    while not isinstance(tokens._ask(bulk, queue=True), Permission):
        while permission := tokens.try_acquire(5):
            assert isinstance(permission, Permission)
            snapshot = tokens.snapshot()
            assert snapshot is not None
            at += 1
            permission.settle(envelope(snapshot.balance - 5, at=at, refill_in=59_750, consumed=5))
        time.ms += 60_000
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


# -- when the world misbehaves -------------------------------------------------------------------
def test_an_unknown_balance_is_asked_for_once(real_redis: redis.Redis) -> None:
    calls: list[int] = []

    def sync() -> TokenEnvelope:
        calls.append(1)
        return envelope(200)

    managers = [TokenManager(real_redis, account="a", sync=sync) for _ in range(8)]
    start = threading.Barrier(8)
    got: list[Permission] = []

    def ask(tokens: TokenManager) -> None:
        start.wait()
        got.append(tokens.request_permission_for_call(5))

    threads = [threading.Thread(target=ask, args=(tokens,)) for tokens in managers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(got) == 8
    assert available(managers[0]) == 160


def test_nothing_is_granted_while_nobody_knows_the_balance(tokens: TokenManager) -> None:
    assert tokens.snapshot() is None
    with pytest.raises(BalanceUnknownError):
        tokens.try_acquire(5)
    with pytest.raises(BalanceUnknownError):
        tokens.request_permission_for_call(5)


def test_a_balance_of_long_ago_is_asked_for_again(real_redis: redis.Redis, time: ManualTime) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(11, at=time.ms))
    tokens.update_after_call(envelope(0))
    time.ms += 3_600_001
    tokens.request_permission_for_call(5)
    assert available(tokens) == 6


def test_without_redis_nothing_is_granted_and_its_return_is_enough(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        tokens = TokenManager(client, account="a", sync=lambda: envelope(100))
        tokens.update_after_call(envelope(100))
        own_redis.kill()
        with pytest.raises(StoreUnavailableError):
            tokens.request_permission_for_call(5)
        own_redis.start()
        assert tokens.request_permission_for_call(5).cost == 5


def test_a_foreign_spender_is_noticed_and_slows_bulk_down(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(300))
    permission = tokens.request_permission_for_call(5)
    permission.settle(envelope(255, at=START_MS + 1, consumed=5))
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert snapshot.foreign == 40
    assert snapshot.foreign_at == snapshot.as_of
    assert tokens.request_batch("product", max_items=300).items == (255 - 10 - 40) // 4


def test_a_tick_that_came_while_an_answer_was_on_its_way_is_no_foreign_spender(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(300, refill_in=1_000))
    permission = tokens.request_permission_for_call(5)
    time.ms += 3_000
    permission.settle(envelope(295, at=START_MS + 900, refill_in=100, consumed=5))
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert (snapshot.foreign, snapshot.foreign_at) == (0, None)


def test_our_own_calls_in_flight_are_no_foreign_spender(tokens: TokenManager) -> None:
    tokens.update_after_call(envelope(300))
    first, second = (tokens.request_permission_for_call(20) for _ in range(2))
    second.settle(envelope(260, at=START_MS + 2, consumed=20))
    first.settle(envelope(280, at=START_MS + 1, consumed=20))
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert (snapshot.foreign, snapshot.available) == (0, 260)
    assert snapshot.foreign_at is None


def test_a_429_is_taken_as_truth_and_logged_once(
    tokens: TokenManager, caplog: pytest.LogCaptureFixture, real_redis: redis.Redis
) -> None:
    tokens.update_after_call(envelope(100))
    tokens.request_permission_for_call(5).settle(envelope(-3, at=START_MS + 1))
    assert available(tokens) == -3
    assert [m for m in caplog.messages if "429" in m] == [
        "Keepa refused (429) at a balance of -3; we believed 100"
    ]
    assert real_redis.hget(Keys().metrics, "rejected_429") == "1"


def test_two_accounts_on_one_redis_do_not_mix(real_redis: redis.Redis, time: ManualTime) -> None:
    first, second = (manager(real_redis, time, account=name) for name in ("a", "b"))
    first.update_after_call(envelope(100))
    assert second.snapshot() is None


def test_a_run_of_the_upserter_every_ten_seconds_keeps_more_in_reserve(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    tokens = manager(real_redis, time, policy=Policy(upsert_interval=10))
    tokens.update_after_call(envelope(100))
    assert tokens.request_batch("product", max_items=100).items == 65 // 4


def test_after_an_expiry_keepa_is_asked_before_anything_is_granted(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    """The call may have been charged: to count its tokens as free would be a guess upward."""
    asked: list[int] = []

    def sync() -> TokenEnvelope:
        asked.append(time.ms)
        return envelope(77, at=time.ms)

    tokens = manager(real_redis, time, sync=sync)
    tokens.update_after_call(envelope(100))
    with pytest.raises(RuntimeError), tokens.request_permission_for_call(20):
        raise RuntimeError("the answer was lost")
    time.ms += 60_001
    tokens.request_permission_for_call(5)
    assert len(asked) == 1
    assert available(tokens) == 72


def test_a_waiter_notices_that_redis_was_flushed(real_redis: redis.Redis) -> None:
    answers = iter([envelope(-500), envelope(100, at=START_MS + 1)])
    quick = Policy(tick_seconds=0.2)
    tokens = TokenManager(real_redis, account="a", policy=quick, sync=lambda: next(answers))
    got = threading.Event()

    def wait() -> None:
        tokens.request_permission_for_call(5)
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while (snapshot := tokens.snapshot()) is None or snapshot.small.waiting == 0:
        assert not got.is_set()
    for key in real_redis.scan_iter("keepa_deals:tokens:*"):
        real_redis.delete(key)
    assert got.wait(10)  # 101 ticks would be 20 s
    thread.join()
