"""What Keepa answered of late, noted in Redis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import fakeredis
import pytest
import redis

from keepa_deals.call_log import SLOT_LIFE_SECONDS, AnswerLog, read_answers
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.notices import Answer
from keepa_deals.redis_store import Keys

KEYS = Keys("test")
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ENVELOPE = TokenEnvelope(1, 42, 1, 20, 0.0, 5, 1)


class Hands:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def client() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis(decode_responses=True)


def test_the_last_answer_of_each_call_is_kept_and_the_last_bad_one(client: redis.Redis) -> None:
    clock = Hands()
    log = AnswerLog(client, KEYS, clock)
    log.note(Answer("/deal", "502", 0.25))
    log.note(Answer("/deal", "502", 0.25))
    assert read_answers(client, KEYS, clock.now()).failures_in_row == {"/deal": 2}
    clock.sleep(5)
    log.note(Answer("/deal", "200", 0.5, ENVELOPE))
    found = read_answers(client, KEYS, clock.now())
    assert (found.last["/deal"].result, found.last["/deal"].tokens) == ("200", 5)
    assert (found.last_bad["/deal"].result, found.last_bad["/deal"].at) == ("502", NOON)
    assert found.last_good["/deal"].at == NOON + timedelta(seconds=5)
    assert found.counts == {("/deal", "200"): 1, ("/deal", "502"): 2}
    assert found.failures_in_row == {"/deal": 0}
    assert found.last["/deal"].clock_ahead == 0.001 - clock.now().timestamp()
    assert found.last_bad["/deal"].clock_ahead is None


def test_old_answers_leave_the_counts_but_not_the_totals(client: redis.Redis) -> None:
    clock = Hands()
    log = AnswerLog(client, KEYS, clock)
    for _ in range(8):
        log.note(Answer("/product", "200", 0.1, ENVELOPE))
        clock.sleep(600)
    assert read_answers(client, KEYS, clock.now()).counts == {("/product", "200"): 6}
    assert client.hget(KEYS.metrics, "answers|/product|200") == "8"


def test_what_is_kept_is_bounded(client: redis.Redis) -> None:
    AnswerLog(client, KEYS, Hands()).note(Answer("/deal", "200", 0.1))
    (slot,) = client.keys("test:keepa:answers:*")
    assert 0 < client.ttl(slot) <= SLOT_LIFE_SECONDS


def test_redis_being_away_is_no_trouble(client: redis.Redis) -> None:
    away = fakeredis.FakeRedis(connected=False)
    AnswerLog(away, KEYS).note(Answer("/deal", "200", 0.1))
