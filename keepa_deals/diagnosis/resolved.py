"""Faults of the last hour that have healed: told as past, never as present."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from keepa_deals.call_log import is_good
from keepa_deals.diagnosis.causes import Cause, Past, classify
from keepa_deals.diagnosis.evidence.gather import PAST, Evidence
from keepa_deals.diagnosis.find_stores import lost_at
from keepa_deals.health.readiness import age_text, duration_text

ORDERED = timedelta(seconds=30)
"""A program that was told to stop and was back within this time was restarted on purpose."""
DOWN_RULES = {"beat": "beat_down", "redis": "redis_down", "dashboard": "dashboard_down"}
DOWN_RULES |= {"worker-upsert": "worker_down", "worker-backfill": "worker_down", "sandbox": "sandbox_down"}


def healed(e: Evidence, causes: tuple[Cause, ...]) -> tuple[Past, ...]:
    """What is over, a line each; a rule that holds at present is not past."""
    if e.blind:
        return ()
    present = {cause.rule.name for cause in causes}
    parts = (_downs, _redis, _gaps, _failures, _answers, _foreign, _stale)
    return tuple(past for part in parts for past in part(e) if past.rule not in present)


def _downs(e: Evidence) -> Iterator[Past]:
    now = e.report.taken_at
    for program, downs in (e.supervision.value.downs if e.supervision.value else {}).items():
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
                f"last {age_text(last.start, now)} ({last.how})",
            )


def _redis(e: Evidence) -> Iterator[Past]:
    lost = lost_at(e)
    if lost is not None:
        yield Past(
            "redis_lost_data",
            f"Redis lost its data {age_text(lost, e.report.taken_at)} (flushed or replaced)",
        )


def _gaps(e: Evidence) -> Iterator[Past]:
    for gap in e.report.history.value.gaps if e.report.history.value else ():
        length = duration_text((gap.end - gap.start).total_seconds())
        when = f"{gap.start:%H:%M} to {gap.end:%H:%M} UTC"
        yield Past("upserter_behind", f"update_recent_deals had no success from {when} ({length})")


def _failures(e: Evidence) -> Iterator[Past]:
    """Errors in the records of the runs and in the logs, those that speak of the same rule together."""
    found: dict[str, list[tuple[datetime, str]]] = {}
    for failure in e.report.history.value.failures if e.report.history.value else ():
        entries = [(failure.last_at, f"{failure.job}: {failure.text}")] * failure.count
        found.setdefault(classify(failure.text) or "job_failing", []).extend(entries)
    for trouble in e.troubles.value or ():
        rule = classify(trouble.text)
        if (
            rule and rule not in found and rule != "keepa_trouble"
        ):  # single failed attempts are counted elsewhere
            found.setdefault(rule, []).append((trouble.at, trouble.text))
    for rule, entries in found.items():
        last, text = max(entries)
        if e.report.taken_at - last < PAST:
            times = "" if len(entries) == 1 else f"{len(entries)} times, "
            yield Past(rule, f"{times}last {age_text(last, e.report.taken_at)}: {text}")


def _answers(e: Evidence) -> Iterator[Past]:
    answers = e.report.keepa.value
    for call, last in answers.last_bad.items() if answers else ():
        bad = (
            {r: n for (c, r), n in answers.counts.items() if c == call and not is_good(r)} if answers else {}
        )
        if bad and e.report.taken_at - last.at < PAST:
            counts = ", ".join(f"{n} × {result}" for result, n in sorted(bad.items()))
            rule = "refused_429" if set(bad) == {"429"} else "keepa_trouble"
            yield Past(
                rule, f"{call}: {counts} within about an hour, last {age_text(last.at, e.report.taken_at)}"
            )


def _foreign(e: Evidence) -> Iterator[Past]:
    tokens = e.report.tokens.value
    if tokens and tokens.foreign_at and e.report.taken_at - tokens.foreign_at < PAST:
        when = age_text(tokens.foreign_at, e.report.taken_at)
        yield Past("foreign_spender", f"tokens went that we did not spend, last {when}")


def _stale(e: Evidence) -> Iterator[Past]:
    flow = e.report.flow.value
    count = flow.last_hour.get(("stale", None), 0) if flow else 0
    if count > 5:
        yield Past("deals_stale", f"{count} deals went stale within the last hour")
