"""Account data that cannot be true, keys that hold what we never wrote, and a stop at the worst moment."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import redis

from keepa_deals.errors import BalanceUnknownError, StoppedError, TokensUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.redis_store import Keys
from keepa_deals.token_manager import Reservation, TokenManager
from tests.support.accounts import START_MS, ManualTime, available, call_of, envelope, manager
from tests.support.paths import SAMPLES

ZEROS = TokenEnvelope(0, 0, 0, 0, 0.0, 0, 0)
GOOD = envelope(100)
ABSURD = {
    "a tick in thirty thousand years": {"refill_in_ms": 10**15},
    "a tick beyond all numbers": {"refill_in_ms": 10**400},
    "a tick long ago": {"refill_in_ms": -(10**12)},
    "no plan": {"refill_rate": 0},
    "a negative plan": {"refill_rate": -5},
    "a plan of no end": {"refill_rate": 10**30},
    "a balance of no end": {"tokens_left": 10**18},
    "a bottomless balance": {"tokens_left": -(10**18)},
    "a price of no end": {"tokens_consumed": 10**20},
    "a price below nothing": {"tokens_consumed": -5},
    "a reduction that is no number": {"token_flow_reduction": float("nan")},
    "a reduction of no end": {"token_flow_reduction": float("inf")},
    "a time before Keepa": {"timestamp_ms": 0},
    "a time after everything": {"timestamp_ms": 10**17},
    "an endless call": {"processing_time_ms": 10**12},
}


# -- a key that Keepa refuses ----------------------------------------------------------------------
def test_the_recorded_answer_to_a_refused_key_is_one_that_says_nothing() -> None:
    path = SAMPLES / "invalid_key_400.json"
    if not path.exists():
        pytest.skip(f"the recorded answers are not beside the project ({path})")
    answer = json.loads(path.read_text(encoding="utf-8"))["answer"]
    assert {answer[name] for name in ("tokensLeft", "refillIn", "refillRate", "tokensConsumed")} == {0}


def test_the_zeros_of_a_refused_key_teach_nothing_and_give_the_tokens_back(
    tokens: TokenManager, real_redis: redis.Redis
) -> None:
    tokens.update_after_call(envelope(100))
    with tokens.request_permission_for_call(5) as reservation:
        reservation.settle(replace(ZEROS, timestamp_ms=START_MS + 1))
    assert available(tokens) == 100
    assert isinstance(tokens.try_acquire(5), Reservation), "the key may be right again: nothing to wait for"
    assert real_redis.hget(Keys().metrics, "rejected_429") is None


def test_a_balance_that_is_asked_for_with_a_refused_key_is_the_keys_trouble(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    answers = [ZEROS, envelope(50)]
    tokens = manager(real_redis, time, sync=lambda: answers.pop(0))
    with pytest.raises(BalanceUnknownError, match=r"the key is refused.*KEEPA_API_KEY") as error:
        tokens.request_permission_for_call(5)
    assert error.value.retry_after == 5
    real_redis.delete(*real_redis.keys("*:sync"))  # as when its five seconds are over
    assert tokens.request_permission_for_call(5).cost == 5


# -- what cannot be true -----------------------------------------------------------------------------
@pytest.mark.parametrize("field", ABSURD.values(), ids=ABSURD)
def test_an_answer_that_cannot_be_true_stops_nothing(
    real_redis: redis.Redis, time: ManualTime, field: dict[str, Any]
) -> None:
    """The balance is asked for, once, and everything goes on; a restart in between changes nothing."""
    asked: list[int] = []

    def sync() -> TokenEnvelope:
        asked.append(1)
        return envelope(90, at=time.ms)

    tokens = manager(real_redis, time, sync=sync)
    tokens.update_after_call(GOOD)
    with tokens.request_permission_for_call(5) as reservation:
        reservation.settle(replace(GOOD, **field))
    again = manager(real_redis, time, sync=sync)
    assert again.request_permission_for_call(5).cost == 5
    assert len(asked) == 1
    assert available(again) == 85
    assert real_redis.hget(Keys().metrics, "unbelievable") == "1"


@pytest.mark.parametrize("field", ABSURD.values(), ids=ABSURD)
def test_a_balance_that_cannot_be_true_is_asked_for_again_after_seconds(
    real_redis: redis.Redis, time: ManualTime, field: dict[str, Any]
) -> None:
    answers = [replace(GOOD, **field), envelope(50)]
    tokens = manager(real_redis, time, sync=lambda: answers.pop(0))
    with pytest.raises(BalanceUnknownError, match="Keepa /token: its account data cannot be true"):
        tokens.request_permission_for_call(5)
    (lease,) = real_redis.keys("*:sync")
    assert 0 < real_redis.pttl(lease) <= 5000
    real_redis.delete(lease)
    assert tokens.request_permission_for_call(5).cost == 5


@pytest.mark.parametrize(
    "strange",
    [
        {"tokens_left": -1_000_000},
        {"refill_in_ms": 3_600_000, "tokens_left": 0},
        {"token_flow_reduction": 5.0, "tokens_left": 0},
    ],
    ids=["deep", "far", "no flow"],
)
def test_what_delays_for_long_is_told_at_once_and_asked_about_again_within_minutes(
    real_redis: redis.Redis, time: ManualTime, strange: dict[str, Any]
) -> None:
    asked: list[int] = []

    def sync() -> TokenEnvelope:
        asked.append(time.ms)
        return envelope(50, at=time.ms)

    tokens = manager(real_redis, time, sync=sync)
    tokens.update_after_call(replace(GOOD, **strange))
    with pytest.raises(TokensUnavailableError) as error:
        tokens.request_permission_for_call(5, timeout=900)
    assert error.value.retry_after is not None
    assert error.value.retry_after > 3500
    assert not asked
    assert tokens.snapshot().is_deep  # type: ignore[union-attr]
    assert tokens.request_permission_for_call(5).cost == 5
    assert [at - START_MS for at in asked] == [300_001]


def test_a_deficit_of_ours_is_asked_about_every_five_ticks_and_not_oftener(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    asked: list[int] = []

    def sync() -> TokenEnvelope:
        asked.append(time.ms)
        came = (time.ms - START_MS) // 60_000
        return envelope(-249 + 5 * came, at=time.ms, refill_in=60_000 - (time.ms - START_MS) % 60_000)

    tokens = manager(real_redis, time, sync=sync)
    tokens.update_after_call(envelope(-249))
    tokens.request_permission_for_call(5)
    assert (time.ms - START_MS) // 60_000 == 51
    assert 5 <= len(asked) <= 9


def test_a_clock_of_keepas_that_is_far_ahead_does_not_outdate_what_comes_after(
    tokens: TokenManager, time: ManualTime
) -> None:
    tokens.update_after_call(envelope(100, at=START_MS + 10 * 365 * 86_400_000))
    time.ms += 1_000
    tokens.update_after_call(envelope(40, at=time.ms))
    assert available(tokens) == 40


def test_a_redis_whose_clock_was_set_back_asks_for_the_balance(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(30, at=time.ms))
    tokens.update_after_call(envelope(100))
    time.ms -= 7_200_000
    assert tokens.request_permission_for_call(5).cost == 5
    assert available(tokens) == 25


# -- what others wrote ---------------------------------------------------------------------------------
def account_key(client: redis.Redis) -> str:
    (key,) = client.keys("*:account")
    return str(key)


def packed(client: redis.Redis, values: str) -> bytes:
    raw = client.connection_pool.connection_kwargs | {"decode_responses": False}
    with redis.Redis(**{name: raw[name] for name in ("host", "port")}) as plain:
        return bytes(plain.eval(f"return cmsgpack.pack({values})", 0))  # type: ignore[arg-type]


RECORDS = {
    "text": "'garbage'",
    "nothing": "nil",
    "a table of nothing": "{}",
    "the layout and nothing else": "{3}",
    "texts": "{3, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r'}",
    "endless numbers": "{3" + ", 1/0" * 22 + ", false, false, false, false}",
    "no numbers": "{3" + ", 0/0" * 22 + ", false, false, false, false}",
    "huge numbers": "{3" + ", 1e300" * 22 + ", false, false, false, false}",
    "zeros": "{3" + ", 0" * 22 + ", false, false, false, false}",
    "another layout": "{99" + ", 1" * 26 + "}",
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_that_cannot_be_read_is_a_balance_that_nobody_knows(
    real_redis: redis.Redis, time: ManualTime, record: str
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(60, at=time.ms))
    tokens.update_after_call(GOOD)
    real_redis.hset(account_key(real_redis), ".", packed(real_redis, record))
    assert tokens.snapshot() is None
    assert tokens.request_permission_for_call(5).cost == 5
    assert available(tokens) == 55


DAY_MS = 86_400_000
IMPOSSIBLE = {"left": 2 * 10**9, "rate": 0, "refill": 10**8, "reserved": -5, "period": 600_000, "queued": -1}
PLACES = ("left", "ts", "tick_at", "rate", "refill", "as_of", "offset", "forgiven", "foreign", "foreign_at",
          "reserved", "next_expiry", "queued", "places", "bulk_since", "bulk_burst", "small_spent", "told",
          "period")  # fmt: skip
"""The fields of an account's record after its layout, as ``tokens_common.lua`` has them."""


@pytest.mark.parametrize(
    ("field", "value"),
    [*IMPOSSIBLE.items(), ("tick_at", START_MS + 3 * DAY_MS), ("next_expiry", START_MS * 2)],
)
def test_a_record_with_one_number_that_cannot_be_true_is_a_balance_that_nobody_knows(
    real_redis: redis.Redis, time: ManualTime, field: str, value: int
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(60, at=time.ms))
    tokens.update_after_call(GOOD)
    change = (
        "local record = cmsgpack.unpack(redis.call('HGET', KEYS[1], '.')); record[tonumber(ARGV[1])] = "
        "tonumber(ARGV[2]); redis.call('HSET', KEYS[1], '.', cmsgpack.pack(record))"
    )
    real_redis.eval(change, 1, account_key(real_redis), PLACES.index(field) + 2, value)
    assert tokens.snapshot() is None
    assert tokens.request_permission_for_call(5).cost == 5
    assert available(tokens) == 55


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xff\xff", b"garbage", b"\xcf" + b"\xff" * 8, b"\xdd\x7f\xff\xff\xff"]
)
def test_bytes_that_are_no_record_are_a_balance_that_nobody_knows(
    real_redis: redis.Redis, time: ManualTime, garbage: bytes
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(60, at=time.ms))
    tokens.update_after_call(GOOD)
    real_redis.hset(account_key(real_redis), ".", garbage)
    assert tokens.request_permission_for_call(5).cost == 5
    assert available(tokens) == 55


def test_a_reservation_that_cannot_be_read_is_dropped_and_the_balance_asked_for(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(60, at=time.ms))
    tokens.update_after_call(GOOD)
    tokens.request_permission_for_call(5)
    real_redis.hset(account_key(real_redis), "stranger", b"\xffgarbage")
    time.ms += 120_001
    assert tokens.request_permission_for_call(5).cost == 5
    assert available(tokens) == 55


PARTS = ("account", "waiting", "small", "bulk", "learned", "learned:deal", "sync")
WRONG = {"a text": ("set", "garbage"), "a list": ("rpush", "garbage"), "a set": ("sadd", "garbage")}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_key_of_another_kind_is_made_anew(
    real_redis: redis.Redis, time: ManualTime, part: str, wrong: tuple[str, str]
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(20, at=time.ms))
    tokens.update_after_call(envelope(20))
    key = account_key(real_redis).removesuffix("account") + part
    real_redis.delete(key)
    getattr(real_redis, wrong[0])(key, wrong[1])
    for _ in range(3):
        reservation = tokens.request_permission_for_call(5, kind="deal", task="somebody")
        reservation.settle(envelope(15, at=time.ms + 1, consumed=5))
    waits = call_of(tokens, 60)
    tokens.bucket.poll(waits, queue=True)
    tokens.update_after_call(envelope(100, at=time.ms + 2))
    assert isinstance(tokens.bucket.poll(waits, queue=True), Reservation)
    assert tokens.snapshot() is not None


def test_a_counter_that_holds_no_number_begins_anew(tokens: TokenManager, real_redis: redis.Redis) -> None:
    real_redis.hset(Keys().metrics, "grants|small", "many")
    tokens.update_after_call(GOOD)
    tokens.request_permission_for_call(5)
    tokens.request_permission_for_call(5)
    assert real_redis.hget(Keys().metrics, "grants|small") == "2"


def test_counters_of_another_kind_cost_the_counts_and_nothing_else(
    tokens: TokenManager, real_redis: redis.Redis
) -> None:
    real_redis.set(Keys().metrics, "garbage")
    tokens.update_after_call(GOOD)
    assert tokens.request_permission_for_call(5).cost == 5


def test_a_lease_without_an_end_does_not_keep_everybody_from_asking(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    tokens = manager(real_redis, time, sync=lambda: envelope(60, at=time.ms))
    tokens.update_after_call(GOOD)
    key = account_key(real_redis)
    lease = key.removesuffix("account") + "sync"
    real_redis.delete(key)
    real_redis.set(lease, "garbage")
    with pytest.raises(BalanceUnknownError):
        tokens.request_permission_for_call(5)
    assert 0 < real_redis.pttl(lease) <= 60_000


# -- a stop --------------------------------------------------------------------------------------------
def test_a_stop_while_keepa_is_asked_is_a_stop_and_lets_the_next_ask_at_once(
    real_redis: redis.Redis, time: ManualTime
) -> None:
    def stopped() -> TokenEnvelope:
        raise StoppedError("the process is asked to stop")

    with pytest.raises(StoppedError):
        manager(real_redis, time, sync=stopped).request_permission_for_call(5)
    assert not real_redis.keys("*:sync")
    assert manager(real_redis, time, sync=lambda: GOOD).request_permission_for_call(5).cost == 5
