"""The single-flight locks: holder, alive or zombie, since when, how long they still last."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.jobs import job_of


def lines(evidence: Evidence) -> Iterator[Line]:
    """Holder, alive or zombie, since when, how long it still lasts."""
    if evidence.report.locks.value is None:
        yield Line("locks", Level.UNKNOWN, str(evidence.report.locks.error))
    for lock in evidence.report.locks.value or ():
        if lock.owner is None:
            yield Line("locks", Level.OK, f"{lock.name}: free")
            continue
        left = f"{lock.ttl_seconds:.0f} s left" if lock.ttl_seconds is not None else "never expires"
        too_long = lock.ttl_seconds is None or lock.ttl_seconds > evidence.settings.lock_ttl_seconds + 1
        state, bad = _holder(lock)
        since = _held_since(evidence, lock)
        level = Level.FAIL if bad or too_long else Level.OK
        yield Line("locks", level, f"{lock.name}: {state}{since}, {left} ({lock.owner})")


def _holder(lock: LockHealth) -> tuple[str, bool]:
    if lock.host is None:
        return "held by somebody else", True
    if lock.dead:
        return f"zombie: pid {lock.pid} of this machine is dead", True
    return f"held by pid {lock.pid} of {lock.host}", False


def _held_since(evidence: Evidence, lock: LockHealth) -> str:
    job = evidence.report.job(job_of(lock.name))
    if job is None or not job.running:
        return ""
    since = evidence.age(job.last_started_at).removesuffix(" ago")
    return f" for {since}"
