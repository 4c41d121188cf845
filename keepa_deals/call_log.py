"""What Keepa answered of late, by call and result: in Redis, shared by all processes, and bounded.

``<prefix>:keepa:last`` holds the last answer, the last good one and the last bad one of each call;
``<prefix>:keepa:answers:<n>`` counts the answers of one slot of ten minutes and expires; the totals
since the counters began stand among the metrics (``answers|/deal|200``).
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import redis

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.keepa.notices import Answer
from keepa_deals.keepa.time import from_unix_ms, unix_ms
from keepa_deals.redis_store import Keys

log = logging.getLogger(__name__)

SLOT_SECONDS = 600
SLOTS = 6
"""Whole slots that the counts look back, beside the present one: about an hour."""
SLOT_LIFE_SECONDS = SLOT_SECONDS * (SLOTS + 2)


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """One answer: ``result`` as in :class:`Answer`, its price, and how many seconds it took."""

    result: str
    at: datetime
    seconds: float
    tokens: int | None
    clock_ahead: float | None = None
    """Seconds by which Keepa's clock was ahead of ours when the answer came."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The last answers by call (``/deal``), and how many came of late by (call, result)."""

    last: Mapping[str, LastAnswer]
    last_good: Mapping[str, LastAnswer]
    last_bad: Mapping[str, LastAnswer]
    counts: Mapping[tuple[str, str], int]
    """Those of the last 60 to 70 minutes."""
    failures_in_row: Mapping[str, int] = field(default_factory=dict)
    """By call: how many attempts failed since the last good answer; being out of tokens is no failure."""

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which Keepa's clock was ahead of ours at its last answer; ``None`` when nobody knows."""
        known = [answer for answer in self.last.values() if answer.clock_ahead is not None]
        return max(known, key=lambda answer: answer.at).clock_ahead if known else None


OUT_OF_TOKENS = "429"


def is_good(result: str) -> bool:
    """Whether an answer brought what was asked for."""
    return result == "200"


class AnswerLog:
    """Notes answers; Redis being away costs the note and nothing else."""

    def __init__(self, client: redis.Redis, keys: Keys, clock: Clock | None = None) -> None:
        self._redis = client
        self._keys = keys
        self._clock = clock or SystemClock()

    def note(self, answer: Answer) -> None:
        """Note one answer of Keepa, or that there was none."""
        now_ms = unix_ms(self._clock.now())
        envelope = answer.envelope
        charged, ahead_ms = None, None
        if envelope is not None:
            charged, ahead_ms = envelope.tokens_consumed, envelope.timestamp_ms - now_ms
        entry = json.dumps([answer.result, now_ms, round(answer.seconds, 3), charged, ahead_ms])
        slot = self._keys.answers(now_ms // 1000 // SLOT_SECONDS)
        quality = "good" if is_good(answer.result) else "bad"
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(
            self._keys.last_answers,
            mapping={f"last|{answer.call}": entry, f"{quality}|{answer.call}": entry},
        )
        row = f"row|{answer.call}"
        if is_good(answer.result):
            pipe.hset(self._keys.last_answers, row, 0)
        elif answer.result != OUT_OF_TOKENS:
            pipe.hincrby(self._keys.last_answers, row)
        pipe.hincrby(slot, f"{answer.call}|{answer.result}")
        pipe.expire(slot, SLOT_LIFE_SECONDS)
        pipe.hincrby(self._keys.metrics, f"answers|{answer.call}|{answer.result}")
        try:
            pipe.execute()
        except redis.RedisError as error:
            log.debug("an answer of Keepa was not noted, Redis is away: %s", error)


def read_answers(client: redis.Redis, keys: Keys, now: datetime) -> Answers:
    """The notes of all processes as they stand at ``now``."""
    slot = int(now.timestamp()) // SLOT_SECONDS
    pipe = client.pipeline(transaction=False)
    pipe.hgetall(keys.last_answers)
    for number in range(slot - SLOTS, slot + 1):
        pipe.hgetall(keys.answers(number))
    noted, *slots = pipe.execute()
    counts: Counter[tuple[str, str]] = Counter()
    for fields in slots:
        for name, count in fields.items():
            call, _, result = name.partition("|")
            counts[call, result] += int(count)
    kinds: dict[str, dict[str, LastAnswer]] = {"last": {}, "good": {}, "bad": {}}
    in_row: dict[str, int] = {}
    for name, entry in noted.items():
        kind, _, call = name.partition("|")
        if kind == "row":
            in_row[call] = int(entry)
        else:
            kinds[kind][call] = _parse(entry)
    return Answers(kinds["last"], kinds["good"], kinds["bad"], dict(counts), in_row)


def _parse(entry: str) -> LastAnswer:
    result, at_ms, seconds, tokens, *more = json.loads(entry)
    ahead_ms = more[0] if more else None
    return LastAnswer(
        result, from_unix_ms(at_ms), seconds, tokens, None if ahead_ms is None else ahead_ms / 1000
    )
