"""What Keepa answered of late (``call_log``)."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.call_log import Answers, LastAnswer, read_answers
from keepa_deals.health.metric import AnyMetric, gauge
from keepa_deals.health.part import Json, Part, Snapshot
from keepa_deals.humanize import iso

FAILURES_IN_ROW = 2
"""So many are no accident."""


def _to_json(snapshot: Snapshot) -> Json:
    """The last answers of Keepa by call, and how many of each kind the last hour brought."""
    answers = snapshot.value(PART)
    if answers is None:
        return {"keepa": {"last": {}, "last_bad": {}, "last_hour": []}}
    counts = sorted(answers.counts.items())
    return {
        "keepa": {
            "last": {call: _answer(answer) for call, answer in answers.last.items()},
            "last_bad": {call: _answer(answer) for call, answer in answers.last_bad.items()},
            "last_hour": [{"call": call, "result": result, "answers": n} for (call, result), n in counts],
        }
    }


def _answer(answer: LastAnswer) -> Json:
    return {
        "result": answer.result,
        "at": iso(answer.at),
        "seconds": answer.seconds,
        "tokens": answer.tokens,
    }


def failing_in_row(snapshot: Snapshot, results: tuple[str, ...]) -> str:
    """Calls that fail attempt after attempt with one of ``results``, in words; empty when none does."""
    answers = snapshot.value(PART)
    for call, count in answers.failures_in_row.items() if answers else ():
        last = answers.last_bad.get(call) if answers else None
        if last and count >= FAILURES_IN_ROW and last.result in results:
            return f"Keepa {call}: {count} attempts in a row failed, the last one with {last.result}"
    return ""


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    answers = snapshot.value(PART)
    ahead = answers.clock_ahead if answers else None
    yield from gauge("keepa_clock_ahead_seconds", "Keepa's clock less ours, at its last answer", ahead)


PART: Part[Answers] = Part(
    "keepa", lambda sources: read_answers(sources.redis(), sources.keys, sources.now), _to_json, _metrics
)
