"""Causes in what lives in Redis: messages that nobody takes, locks that nobody gives back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.rules.base import RESTART, Alert, Finding, Rank, Stops, rule
from keepa_deals.diagnosis.rules.redis import redis_cli
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.problems import upserter_is_behind
from keepa_deals.humanize import duration_text
from keepa_deals.jobs import BACKFILL_JOB, UPSERT_JOB, WORKERS, worker_of

QUEUE_WAIT = timedelta(seconds=120)
"""No message of ours waits longer: a slice of the backfiller lasts at most 60 s."""
FOREIGN_FOR = timedelta(minutes=10)
"""How long a message that was dropped is told."""


@rule(
    rank=Rank.MESSAGES,
    meaning="The worker runs but takes no messages.",
    seen_by="a message has waited for more than two minutes while the worker of its queue runs",
    fix=RESTART,
    stops=Stops.UPSERTER,
    follows="worker_suspended process_suspended database_locked disk_full",
    alert=Alert("keepa_deals_queue_oldest_age_seconds > 120"),
)
def worker_deaf(evidence: Evidence) -> Iterator[Finding]:
    ours = evidence.ours()
    for queue in evidence.report.queues.value or ():
        if worker_of(queue.name) not in ours:
            continue
        waits = evidence.report.taken_at - queue.oldest_sent_at if queue.oldest_sent_at else timedelta(0)
        up = evidence.report.taken_at - ours[worker_of(queue.name)].started_at
        if min(waits, up) > QUEUE_WAIT:
            oldest = duration_text(waits.total_seconds())
            yield Finding(
                f"{queue.depth} messages wait in {queue.name!r}, the oldest for {oldest}, "
                f"and {worker_of(queue.name)} runs but takes none"
            )


@rule(
    rank=Rank.MESSAGES,
    meaning="What beat sends arrives nowhere.",
    seen_by="beat ticks, the queue is empty, and the job has not started for too long",
    fix=RESTART,
    stops=Stops.UPSERTER,
    follows="worker_suspended process_suspended zombie_lock redis_full redis_replica database_unavailable "
    "database_locked database_damaged disk_full home_not_writable selection_rejected clock_wrong",
    alert=None,
)
def messages_lost(evidence: Evidence) -> Iterator[Finding]:
    """Beat sends, nothing waits, nothing starts: the messages go nowhere."""
    ours, queues, beat = evidence.ours(), evidence.report.queues.value, evidence.report.beat.value
    if queues is None or beat is None or not {"beat", *WORKERS} <= ours.keys():
        return
    limits = ((UPSERT_JOB, evidence.report.behind_after), (BACKFILL_JOB, QUEUE_WAIT * 2))
    for sent, limit in limits:
        job, lock = evidence.report.job(sent.name), evidence.report.lock(sent.name)
        empty = all(queue.depth == 0 for queue in queues if queue.name == sent.queue)
        if job is None or job.paused or not empty or (lock and lock.owner) or job.last_started_at is None:
            continue
        idle = evidence.report.taken_at - max(job.last_started_at, ours["beat"].started_at)
        if idle > limit:
            when = evidence.age(job.last_started_at)
            yield Finding(f"beat ticks, {sent.queue!r} is empty, and {sent.name} last started {when}")


@rule(
    rank=Rank.MESSAGES,
    meaning="Somebody else writes into our queues; the workers drop what is none of ours.",
    seen_by="a message that is no task of ours was dropped within the last ten minutes "
    "(log/celery_worker*.log)",
    fix="find who writes into this Redis; give it a password, or a prefix of its own (REDIS_KEY_PREFIX)",
    alert=Alert("sum(increase(keepa_deals_messages_dropped_total[10m])) > 0", "0m"),
)
def foreign_messages(evidence: Evidence) -> Iterator[Finding]:
    tokens = evidence.report.tokens.value
    last = tokens.counters.dropped_at if tokens else None
    if tokens is None or last is None or evidence.report.taken_at - last > FOREIGN_FOR:
        return
    dropped = sorted(tokens.counters.dropped.items())
    counts = ", ".join(f"{count} in {queue!r}" for queue, count in dropped)
    when = evidence.age(last)
    yield Finding(f"messages that are none of ours were dropped: {counts}, the last one {when}")


@rule(
    rank=Rank.MESSAGES,
    meaning="Runs are skipped until the lock is gone.",
    seen_by="the holder's process is dead, the lock lasts longer than any of ours, or the upserter is behind "
    "and no run is under way",
    fix=RESTART,
    stops=Stops.UPSERTER,
    follows="disk_full home_not_writable database_unavailable database_locked database_damaged",
    alert=Alert("keepa_deals_lock_ttl_seconds > 60"),
)
def zombie_lock(evidence: Evidence) -> Iterator[Finding]:
    ttl = evidence.settings.lock_ttl_seconds
    for lock in evidence.report.locks.value or ():
        if lock.owner is None:
            continue
        left = f"{lock.ttl_seconds:.0f} s left" if lock.ttl_seconds is not None else "it never expires"
        fix = f"{redis_cli(evidence)} DEL {lock.name} (a run of ours cuts it down to {ttl:.0f} s by itself)"
        if lock.ttl_seconds is None or lock.ttl_seconds > ttl + 1:
            yield Finding(
                f"{lock.name} is held by {lock.owner}, {left}: none of our locks lasts that long", fix
            )
        elif lock.dead:
            yield Finding(f"{lock.name} is held by {lock.owner}, which is dead ({left})", fix)
        elif _holder_does_nothing(evidence, lock):
            yield Finding(f"{lock.name} is held by {lock.owner}, but no run is under way ({left})", fix)


def _holder_does_nothing(evidence: Evidence, lock: LockHealth) -> bool:
    """Whether the upserter is behind while its lock is held by somebody who never began a run.

    Lock and job are read one after the other: where each run fails soon, the lock may be the next one's.
    """
    job = evidence.report.job(UPSERT_JOB.name)
    if job is None or lock.name != UPSERT_JOB.lock or not upserter_is_behind(evidence.report):
        return False
    began = job.last_started_at
    return not job.running and (
        began is None or evidence.report.taken_at - began > evidence.report.behind_after
    )
