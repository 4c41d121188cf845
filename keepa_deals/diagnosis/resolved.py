"""Faults of the last hour that have healed: told as past, never as present."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from keepa_deals.call_log import is_good
from keepa_deals.diagnosis.evidence.gather import PAST, Evidence
from keepa_deals.diagnosis.rules import classify
from keepa_deals.diagnosis.rules.redis import lost_at
from keepa_deals.diagnosis.verdict import Cause
from keepa_deals.humanize import duration_text
from keepa_deals.jobs import UPSERT_JOB, WORKERS

ORDERED = timedelta(seconds=30)
"""A program that was told to stop and was back within this time was restarted on purpose."""
DOWN_RULES = {"beat": "beat_down", "redis": "redis_down", "dashboard": "dashboard_down"}
DOWN_RULES |= dict.fromkeys(WORKERS, "worker_down") | {"sandbox": "sandbox_down"}


@dataclass(frozen=True, slots=True)
class Past:
    """A fault of the last hour that has healed: the rule that would have named it, and the evidence."""

    rule: str
    evidence: str


def healed(evidence: Evidence, causes: tuple[Cause, ...]) -> tuple[Past, ...]:
    """What is over, a line each; a rule that holds at present is not past."""
    if evidence.blind:
        return ()
    present = {cause.rule.name for cause in causes}
    parts = (_downs, _redis, _gaps, _failures, _answers, _foreign, _stale)
    return tuple(past for part in parts for past in part(evidence) if past.rule not in present)


def _downs(evidence: Evidence) -> Iterator[Past]:
    now = evidence.report.taken_at
    for program, downs in (evidence.supervision.value.downs if evidence.supervision.value else {}).items():
        over = [
            down
            for down in downs
            if down.end and now - down.end < PAST and (down.died or down.seconds > ORDERED.total_seconds())
        ]
        if over:
            times = "once" if len(over) == 1 else f"{len(over)} times"
            last = over[-1]
            yield Past(
                DOWN_RULES.get(program, "program_crashing"),
                f"{program} was down {times}, for {duration_text(sum(d.seconds for d in over))} in all, "
                f"last {evidence.age(last.start)} ({last.how})",
            )


def _redis(evidence: Evidence) -> Iterator[Past]:
    lost = lost_at(evidence)
    if lost is not None:
        yield Past(
            "redis_lost_data",
            f"Redis lost its data {evidence.age(lost)} (flushed or replaced)",
        )


def _gaps(evidence: Evidence) -> Iterator[Past]:
    for gap in evidence.report.history.value.gaps if evidence.report.history.value else ():
        length = duration_text((gap.end - gap.start).total_seconds())
        when = f"{gap.start:%H:%M} to {gap.end:%H:%M} UTC"
        yield Past("upserter_behind", f"{UPSERT_JOB.name} had no success from {when} ({length})")


def _failures(evidence: Evidence) -> Iterator[Past]:
    """Errors in the records of the runs and in the logs, those that speak of the same rule together."""
    by_rule: dict[str, list[tuple[datetime, str]]] = {}
    for failure in evidence.report.history.value.failures if evidence.report.history.value else ():
        entries = [(failure.last_at, f"{failure.job}: {failure.text}")] * failure.count
        by_rule.setdefault(classify(failure.text) or "job_failing", []).extend(entries)
    for trouble in evidence.troubles.value or ():
        rule = classify(trouble.text)
        if rule and rule not in by_rule and rule != "keepa_trouble":  # single attempts are counted elsewhere
            by_rule[rule] = [(trouble.at, trouble.text)]
    for rule, entries in by_rule.items():
        last, text = max(entries)
        if evidence.report.taken_at - last < PAST:
            times = "" if len(entries) == 1 else f"{len(entries)} times, "
            yield Past(rule, f"{times}last {evidence.age(last)}: {text}")


def _answers(evidence: Evidence) -> Iterator[Past]:
    answers = evidence.report.keepa.value
    if answers is None:
        return
    for call, last in answers.last_bad.items():
        bad = {r: n for (c, r), n in answers.counts.items() if c == call and not is_good(r)}
        if bad and evidence.report.taken_at - last.at < PAST:
            counts = ", ".join(f"{n} × {result}" for result, n in sorted(bad.items()))
            rule = "refused_429" if set(bad) == {"429"} else "keepa_trouble"
            yield Past(rule, f"{call}: {counts} within about an hour, last {evidence.age(last.at)}")


def _foreign(evidence: Evidence) -> Iterator[Past]:
    tokens = evidence.report.tokens.value
    if tokens and tokens.foreign_at and evidence.report.taken_at - tokens.foreign_at < PAST:
        when = evidence.age(tokens.foreign_at)
        yield Past("foreign_spender", f"tokens went that we did not spend, last {when}")


def _stale(evidence: Evidence) -> Iterator[Past]:
    flow = evidence.report.flow.value
    count = flow.last_hour.get(("stale", None), 0) if flow else 0
    if count > 5:
        yield Past("deals_stale", f"{count} deals went stale within the last hour")
