"""Keepa's ticks as they were recorded, and what the token manager learns of them; on a real Redis."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest
import redis

from keepa_deals.errors import BalanceUnknownError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.redis_store import Keys
from keepa_deals.token_manager import Denied, Policy, TokenManager, TokenSnapshot
from tests.support.accounts import SLACK, START_MS, ManualTime, available, envelope, manager, until_tick
from tests.support.paths import SAMPLES
from tests.support.ticking import TickingAccount, as_recorded, steady

ON_THE_WAY = 80
"""Milliseconds that an answer takes to us."""
PAGE = 5


def known(tokens: TokenManager) -> TokenSnapshot:
    snapshot = tokens.snapshot()
    assert snapshot is not None
    return snapshot


@pytest.fixture
def recorded() -> list[TokenEnvelope]:
    path = SAMPLES / "refillin_series.json"
    if not path.exists():
        pytest.skip(f"the recorded answers are not beside the project ({path})")
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [TokenEnvelope(at, left, wait, rate, 0.0, cost, ms) for at, left, wait, rate, cost, ms, _ in rows]


def replay(tokens: TokenManager, time: ManualTime, answers: list[TokenEnvelope]) -> Iterator[TokenSnapshot]:
    """Each answer as it arrived, and what the manager knows then."""
    for answer in answers:
        time.ms = answer.timestamp_ms + answer.processing_time_ms + ON_THE_WAY
        reservation = None
        with suppress(BalanceUnknownError):  # hours after the answer before
            reservation = tokens.try_acquire(PAGE, kind="deal") if answer.tokens_consumed else None
        tokens.update_after_call(answer, reservation or None)
        yield known(tokens)


def test_recorded_ticks_are_told_to_the_millisecond_by_the_moment_an_answer_was_ready(
    recorded: list[TokenEnvelope],
) -> None:
    """What the learning rests on: 60.200 s from tick to tick, once the time of processing is added."""
    told = [a.timestamp_ms + a.processing_time_ms + a.refill_in_ms for a in recorded]
    late = [after - before - 60_000 for before, after in pairwise(told) if 59_000 < after - before < 62_000]
    assert len(late) == 41
    assert sum(abs(ms - 200) <= 5 for ms in late) == 40
    assert max(late) == 735


def test_the_recorded_answers_replayed_show_no_foreign_spender_and_teach_the_period(
    real_redis: redis.Redis, recorded: list[TokenEnvelope]
) -> None:
    time = ManualTime()
    time.ms = recorded[0].timestamp_ms
    tokens = manager(real_redis, time)
    seen = list(replay(tokens, time, recorded))
    close = [  # between others the program that was recorded made calls of which we do not know
        snapshot
        for before, answer, snapshot in zip(recorded, recorded[1:], seen[1:], strict=False)
        if answer.timestamp_ms - before.timestamp_ms < 62_500 and answer.tokens_consumed
    ]
    assert len(close) == 41
    assert not [snapshot for snapshot in close if snapshot.foreign_at == snapshot.as_of]
    assert all(60.1 <= snapshot.tick.period <= 60.5 for snapshot in close[10:])
    assert close[-1].tick.lateness == pytest.approx(0.2, abs=0.05)
    assert close[-1].tick.deviation < 0.15, "with the time of processing they hardly deviate"


def test_no_tick_of_the_recordings_is_counted_before_it_came(
    real_redis: redis.Redis, recorded: list[TokenEnvelope]
) -> None:
    """The tick after an answer came 60 s before the one that the next answer tells of."""
    time = ManualTime()
    time.ms = recorded[0].timestamp_ms
    tokens = manager(real_redis, time)
    taken = [snapshot.next_tick_at.timestamp() * 1000 for snapshot in replay(tokens, time, recorded)]
    told = [a.timestamp_ms + a.processing_time_ms + a.refill_in_ms for a in recorded]
    early = [
        came - 60_000 - expected
        for expected, before, came in zip(taken, told, told[1:], strict=False)
        if 59_000 < came - before < 62_000 and expected < came - 60_000
    ]
    assert early == []


def test_a_tick_is_told_from_the_moment_at_which_an_answer_was_ready(
    tokens: TokenManager, time: ManualTime
) -> None:
    """Recorded: ``refillIn`` counts from there, and ``timestamp`` is when the request came."""
    for number in range(20):
        time.ms += 60_200
        took = 700 if number % 2 else 1
        answer = envelope(50, at=time.ms - took, refill_in=20_000)
        tokens.update_after_call(replace(answer, processing_time_ms=took))
    assert known(tokens).tick.deviation < 0.2


def test_the_period_is_learned_from_two_answers_and_from_answers_far_apart(
    tokens: TokenManager, time: ManualTime
) -> None:
    account = TickingAccount(5, time, moment=steady(200), tokens=0)
    tokens.update_after_call(account.answer())
    for minutes in (1, 1, 1, 50, 1, 45, 1):
        time.ms += minutes * 60_000
        tokens.update_after_call(account.answer())
    assert known(tokens).tick.lateness == pytest.approx(0.2, abs=0.05)


def test_a_clock_of_keepas_that_is_set_is_no_late_tick(tokens: TokenManager, time: ManualTime) -> None:
    tokens.update_after_call(envelope(50, at=time.ms))
    before = known(tokens).tick
    for ahead in (20_000, 40_000, -3_600_000):
        time.ms += 60_200
        tokens.update_after_call(envelope(50, at=time.ms + ahead))
    assert known(tokens).tick == before


def test_slack_shrinks_where_ticks_are_punctual_and_grows_where_they_are_not(real_redis: redis.Redis) -> None:
    slack = {}
    for name, moment in (("punctual", steady(200)), ("jittery", as_recorded(3))):
        time = ManualTime()
        tokens = manager(real_redis, time, account=name)
        account = TickingAccount(5, time, moment=moment, tokens=100)
        for _ in range(120):
            tokens.update_after_call(account.answer())
            time.ms += 60_000
        tokens.update_after_call(answer := account.answer())
        slack[name] = known(tokens).next_tick_at.timestamp() * 1000 - time.ms - answer.refill_in_ms
    assert slack["punctual"] <= 500
    assert 1000 <= slack["jittery"] <= 3000


def test_a_tick_that_comes_a_second_late_is_no_foreign_spender_and_no_429(
    real_redis: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer that shows it missing comes while we count it, whatever it says of the next one."""
    for name, refill_in in (("overdue", 522), ("as if it had come", 59_400)):
        time = ManualTime()
        tokens = manager(real_redis, time, account=name)
        tokens.update_after_call(envelope(20, refill_in=1_000))
        time.ms += 1_000 + round(SLACK * 1000)
        assert available(tokens) == 25
        reservation = tokens.request_permission_for_call(5)
        reservation.settle(envelope(15, at=time.ms - 600, refill_in=refill_in, consumed=5))
        assert (known(tokens).foreign, known(tokens).foreign_at) == (0, None)
        assert available(tokens) == 15
    assert not [m for m in caplog.messages if "another program" in m]


def test_an_overdue_tick_widens_the_slack(tokens: TokenManager, time: ManualTime) -> None:
    account = TickingAccount(5, time, moment=lambda n: n * 60_000 + (2_500 if n == 60 else 0), tokens=100)
    for _ in range(59):
        tokens.update_after_call(account.answer())
        time.ms += 60_000
    tokens.update_after_call(account.answer())
    before = known(tokens).tick
    time.ms += 62_000
    tokens.update_after_call(account.answer())
    after = known(tokens).tick
    assert 4 * before.deviation < 1
    assert after.lateness + 4 * after.deviation == pytest.approx(2, abs=0.1)


def refused(tokens: TokenManager, time: ManualTime, answer: TokenEnvelope) -> None:
    reservation = tokens.request_permission_for_call(5)
    reservation.settle(answer)
    assert isinstance(tokens.try_acquire(5), Denied)


def test_one_refusal_at_the_edge_of_a_tick_is_information_and_the_next_is_not(
    tokens: TokenManager, time: ManualTime, caplog: pytest.LogCaptureFixture, real_redis: redis.Redis
) -> None:
    caplog.set_level(logging.INFO)
    tokens.update_after_call(envelope(0, refill_in=10_000))
    for level in (logging.INFO, logging.WARNING):
        caplog.clear()
        tokens.request_permission_for_call(5).settle(envelope(0, at=time.ms, refill_in=522))
        (line,) = [record for record in caplog.records if "429" in record.message]
        assert line.levelno == level
        assert known(tokens).refused_at_tick == (level == logging.INFO)
    assert real_redis.hmget(Keys().metrics, "rejected_429", "rejected_at_tick") == ["2", "1"]
    assert waited_since(time) < 20
    time.ms += 3_600_000
    tokens.update_after_call(envelope(0, at=time.ms, refill_in=10_000))
    caplog.clear()
    tokens.request_permission_for_call(5).settle(envelope(0, at=time.ms, refill_in=522))
    assert [record.levelno for record in caplog.records if "429" in record.message] == [logging.INFO]


def waited_since(time: ManualTime) -> float:
    return (time.ms - START_MS) / 1000


@pytest.mark.parametrize(("left", "refill_in"), [(-6, 522), (0, 30_000)])
def test_a_refusal_that_a_late_tick_does_not_explain_is_a_warning(
    tokens: TokenManager, caplog: pytest.LogCaptureFixture, left: int, refill_in: int
) -> None:
    tokens.update_after_call(envelope(5))
    tokens.request_permission_for_call(5).settle(envelope(left, at=START_MS + 1, refill_in=refill_in))
    assert [record.levelno for record in caplog.records if "429" in record.message] == [logging.WARNING]


def test_a_small_request_goes_within_half_a_second_of_a_punctual_tick(real_redis: redis.Redis) -> None:
    """Once the ticks are known: the upserter does not wait longer than it must."""
    time = ManualTime()
    account = TickingAccount(5, time, moment=steady(200), tokens=5)
    tokens = manager(real_redis, time, sync=account.answer)
    waits = []
    for _ in range(90):
        reservation = tokens.request_permission_for_call(5, kind="deal", task="update_recent_deals")
        assert account.admit()
        waits.append(time.ms - START_MS)
        time.ms += 90
        reservation.settle(account.answer(5, processing_ms=60))
    assert account.rejected == 0
    late = [at - (n * 60_200) for n, at in enumerate(waits)]
    assert max(late[-20:]) <= 500


@pytest.mark.parametrize("seed", range(4))
def test_a_day_of_an_account_at_its_limit_has_hardly_a_refusal_and_no_foreign_spender(
    real_redis: redis.Redis, seed: int
) -> None:
    """One page a minute at 5 tokens a minute, ticks as recorded: each page is asked for at a tick's edge."""
    time = ManualTime()
    account = TickingAccount(5, time, moment=as_recorded(seed), tokens=5)
    tokens = manager(real_redis, time, account=str(seed), sync=account.answer)
    chance = random.Random(seed)
    pages = 0
    while time.ms - START_MS < 86_400_000:
        reservation = tokens.request_permission_for_call(5, kind="deal", task="update_recent_deals")
        processing = chance.choice((20, 30, 280, 500, 700))
        time.ms += processing
        admitted = account.admit()
        pages += admitted
        answer = account.answer(5 if admitted else 0, processing_ms=processing)
        time.ms += chance.randint(20, 200)
        reservation.settle(answer)
    assert account.rejected <= 3
    assert pages >= 0.97 * account.generated / 5
    assert known(tokens).foreign_at is None


def test_a_deep_deficit_is_waited_out_by_learned_ticks(real_redis: redis.Redis) -> None:
    """50 ticks of 60 s would come 15 s too early at 60.3 s each."""
    time = ManualTime()
    tokens = manager(real_redis, time)
    account = TickingAccount(5, time, moment=as_recorded(1), tokens=100)
    for _ in range(60):
        tokens.update_after_call(account.answer())
        time.ms += 60_000
    account.answer(549)
    tokens.update_after_call(account.answer())
    waits = known(tokens).next_tick_at, known(tokens).tick.period
    refusal = tokens.try_acquire(5)
    assert isinstance(refusal, Denied)
    time.ms += round(refusal.retry_after * 1000)
    assert account.tokens_left >= 5, waits
    time.ms -= 60_000 + 15_000
    fresh = TickingAccount(5, time, moment=as_recorded(1), tokens=0)
    assert fresh.tokens_left == 0


def test_a_foreign_spender_is_noticed_beside_late_ticks(real_redis: redis.Redis) -> None:
    time = ManualTime()
    tokens = manager(real_redis, time)
    account = TickingAccount(20, time, moment=as_recorded(2), tokens=600)
    for minute in range(30):
        tokens.update_after_call(account.answer())
        assert (known(tokens).foreign_at is None) == (minute < 20)
        time.ms += 61_000
        if minute >= 19:
            account.spend_elsewhere(8)
    assert known(tokens).foreign == 8


def test_a_plan_of_fast_ticks_keeps_the_slack_of_old() -> None:
    """The sandbox's ticks of a second: a twentieth of a tick, as before."""
    fast = Policy(tick_seconds=1)
    assert fast.first_slack_ms == fast.latest_ms == 50
    assert until_tick(1) == 60 + SLACK
