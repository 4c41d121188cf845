"""The token manager when Keepa, Redis or another program misbehaves."""

from __future__ import annotations

import threading

import pytest
import redis

from keepa_deals.errors import (
    BalanceUnknownError,
    StoreUnavailableError,
)
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.redis_store import Keys
from keepa_deals.token_manager import Policy, Reservation, TokenManager
from tests.support.accounts import START_MS, ManualTime, available, envelope, manager
from tests.support.servers.redis import RedisServer


def test_an_unknown_balance_is_asked_for_once(real_redis: redis.Redis) -> None:
    calls: list[int] = []

    def sync() -> TokenEnvelope:
        calls.append(1)
        return envelope(200)

    managers = [TokenManager(real_redis, account="a", sync=sync) for _ in range(8)]
    start = threading.Barrier(8)
    got: list[Reservation] = []

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
    reservation = tokens.request_permission_for_call(5)
    reservation.settle(envelope(255, at=START_MS + 1, consumed=5))
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert snapshot.foreign == 40
    assert snapshot.foreign_at == snapshot.as_of
    assert tokens.request_batch("product", max_items=300).items == (255 - 10 - 40) // 4


def test_a_tick_that_came_while_an_answer_was_on_its_way_is_no_foreign_spender(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(300, refill_in=1_000))
    reservation = tokens.request_permission_for_call(5)
    time.ms += 3_000
    reservation.settle(envelope(295, at=START_MS + 900, refill_in=100, consumed=5))
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert (snapshot.foreign, snapshot.foreign_at) == (0, None)


def test_a_clock_of_keepas_that_was_set_back_does_not_make_every_answer_an_old_one(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(100))
    time.ms += 1_000
    reservation = tokens.request_permission_for_call(5)
    reservation.settle(envelope(95, at=START_MS - 3_600_000, consumed=5))
    assert available(tokens) == 95


def test_a_balance_that_was_asked_for_is_taken_whatever_keepas_clock_says(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(77, at=START_MS - 3_600_000))
    tokens.update_after_call(envelope(100))
    time.ms += 3_600_001
    tokens.request_permission_for_call(5)
    assert available(tokens) == 72


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
