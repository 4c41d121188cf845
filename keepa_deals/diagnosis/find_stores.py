"""Causes in Redis and the database, and in what lives there: locks and queues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from keepa_deals.diagnosis.causes import KILL, RESTART, RESTORE, START, Finding, classify
from keepa_deals.diagnosis.errors_of_jobs import last_error
from keepa_deals.diagnosis.evidence.gather import PAST, Evidence
from keepa_deals.health.parts.database import sqlite_path
from keepa_deals.health.readiness import age_text, duration_text, upserter_is_behind
from keepa_deals.health.report import BACKFILL_JOB, UPSERT_JOB, LockHealth
from keepa_deals.keepa.time import from_unix_ms
from keepa_deals.redis_store import COUNTING_SINCE, MESSAGES_DROPPED, MESSAGES_DROPPED_AT, who_may_write

NEARLY_FULL = 0.95
QUEUE_WAIT = timedelta(seconds=120)
"""No message of ours waits longer: a slice of the backfiller lasts at most 60 s."""
FOREIGN_FOR = timedelta(minutes=10)
"""How long a message that was dropped is told."""
RELEARNED_WITHIN = timedelta(minutes=3)
"""The next run asks Keepa for the balance: what is unknown for longer has another cause."""


# -- Redis -----------------------------------------------------------------------------------------
def redis_down(e: Evidence) -> Iterator[Finding]:
    error = e.report.redis.error
    if not error:
        return
    if "password" in error or "NOAUTH" in error or "WRONGPASS" in error:
        yield Finding(error, "correct the password in REDIS_URL (.env), then " + RESTART)
    elif "loading" in error.lower():
        yield Finding(error, "wait: it reads its data from the disk (log/redis.log)")
    elif e.embedded_redis or e.settings.redis_url is None:
        log = e.settings.log_dir / "redis.log"
        yield Finding(error, f"{START}; if it does not come back, read {log}")
    else:
        yield Finding(error, "start the Redis that REDIS_URL names (systemctl restart redis-server)")


def redis_evicts(e: Evidence) -> Iterator[Finding]:
    redis = e.report.redis.value
    if redis and redis.policy not in ("noeviction", "unknown"):
        yield Finding(
            f"maxmemory-policy is {redis.policy}, {redis.evicted_keys} keys were evicted so far",
            f"{_redis_cli(e)} CONFIG SET maxmemory-policy noeviction",
        )


def redis_full(e: Evidence) -> Iterator[Finding]:
    redis = e.report.redis.value
    if redis and redis.max_memory and redis.used_memory > NEARLY_FULL * redis.max_memory:
        yield Finding(
            f"{redis.used_memory >> 10} of {redis.max_memory >> 10} KB are used",
            f"{_redis_cli(e)} CONFIG SET maxmemory 0 (or larger)",
        )
    elif text := last_error(e, "redis_full"):
        yield Finding(text)


def redis_not_saving(e: Evidence) -> Iterator[Finding]:
    redis = e.report.redis.value
    if redis and not (redis.aof_ok and redis.last_save_ok):
        what = "its append-only file" if not redis.aof_ok else "its snapshot"
        yield Finding(f"its last attempt to write {what} failed")


def redis_replica(e: Evidence) -> Iterator[Finding]:
    redis = e.report.redis.value
    if redis and redis.role != "master":
        yield Finding(f"REDIS_URL names a {redis.role}, which takes no writes")


def redis_exposed(e: Evidence) -> Iterator[Finding]:
    """On loopback it is told at the start only: there it is the machine's own users."""
    who = who_may_write(e.settings)
    if who is not None and "machine" not in who:
        yield Finding(f"REDIS_URL has no password: {who} can grant tokens, send tasks and take locks")


def redis_lost_data(e: Evidence) -> Iterator[Finding]:
    """Only while the loss is felt; what has healed is told as past."""
    lost, tokens = lost_at(e), e.report.tokens.value
    fresh = lost is not None and e.report.taken_at - lost < RELEARNED_WITHIN
    if fresh and tokens is not None and tokens.available is None:
        yield Finding("the balance, the counters and the queues are gone: Redis was flushed or replaced")


def lost_at(e: Evidence) -> datetime | None:
    """When Redis began anew, runs being recorded from before; ``None`` when it did not within the hour."""
    tokens, history = e.report.tokens.value, e.report.history.value
    if tokens is None or history is None or history.first_run_at is None:
        return None
    noted = tokens.counters.get(COUNTING_SINCE)
    if noted is None and tokens.available is not None:
        return None  # a beat from before this was noted
    since = from_unix_ms(noted) if noted else e.report.taken_at
    recent = e.report.taken_at - since < PAST
    return since if recent and since - history.first_run_at > timedelta(minutes=1) else None


def _redis_cli(e: Evidence) -> str:
    path = (e.settings.redis_url.get_secret_value() if e.settings.redis_url else "").removeprefix("unix://")
    return f"redis-cli -s {path.partition('?')[0]}" if e.embedded_redis else "redis-cli -u $REDIS_URL"


# -- the database ----------------------------------------------------------------------------------
def database_unavailable(e: Evidence) -> Iterator[Finding]:
    error = e.report.database.error or e.report.jobs.error or e.report.deals.error
    if not error or classify(error) in ("database_locked", "database_damaged"):
        return
    path = sqlite_path(e.settings.database_dsn)
    if path is not None and "does not exist" in error:
        yield Finding(error, _restore(e, f"no copy of it is there, so begin anew: {RESTART}"))
    else:
        yield Finding(error)


def database_locked(e: Evidence) -> Iterator[Finding]:
    report = e.report
    texts = (e.writable.error, report.database.error, report.jobs.error, report.deals.error)
    text = next((text for text in texts if text and classify(text) == "database_locked"), "")
    text = text or last_error(e, "database_locked")
    if not text:
        return
    table = e.processes.value
    ours = table.pids if table else frozenset()
    strangers = [holder for holder in e.lock_holders.value or () if holder.pid not in ours]
    if strangers:
        who = "; ".join(f"pid {holder.pid} ({holder.command[:60]})" for holder in strangers)
        pids = " ".join(str(holder.pid) for holder in strangers)
        yield Finding(f"{text}; held by {who}", f"let it finish, or: kill {pids}")
    elif not e.lock_holders.value or not e.writable.error:
        yield Finding(text)


def database_damaged(e: Evidence) -> Iterator[Finding]:
    words = [e.integrity.error, e.report.database.error, e.report.deals.error]
    text = next((text for text in words if text and classify(text) == "database_damaged"), "")
    text = text or last_error(e, "database_damaged")
    found = e.integrity.value or ""
    if not text and found and not found.startswith(("ok", "no file", "left to")):
        text = f"quick_check: {found}"
    if text:
        path = sqlite_path(e.settings.database_dsn)
        anew = f"no copy of it is there, so begin anew: {KILL}, move {path}* away, {START}"
        yield Finding(text, _restore(e, anew) if path is not None else None)


def _restore(e: Evidence, without_a_copy: str) -> str:
    copy = e.home.value.newest_copy if e.home.value else None
    return f"{KILL} && {RESTORE} {copy} && {START}" if copy else without_a_copy


def database_not_migrated(e: Evidence) -> Iterator[Finding]:
    schema = e.report.database.value
    if schema and not schema.migrated:
        found = schema.revision or "nothing"
        yield Finding(f"the tables are at {found}, this version needs {schema.expected_revision}")
    elif text := last_error(e, "database_not_migrated"):
        yield Finding(text)


# -- locks and queues --------------------------------------------------------------------------------
def zombie_lock(e: Evidence) -> Iterator[Finding]:
    ttl = e.settings.lock_ttl_seconds
    for lock in e.report.locks.value or ():
        if lock.owner is None:
            continue
        left = f"{lock.ttl_seconds:.0f} s left" if lock.ttl_seconds is not None else "it never expires"
        fix = f"{_redis_cli(e)} DEL {lock.name} (a run of ours cuts it down to {ttl:.0f} s by itself)"
        if lock.ttl_seconds is None or lock.ttl_seconds > ttl + 1:
            yield Finding(
                f"{lock.name} is held by {lock.owner}, {left}: none of our locks lasts that long", fix
            )
        elif lock.dead:
            yield Finding(f"{lock.name} is held by {lock.owner}, which is dead ({left})", fix)
        elif _holder_does_nothing(e, lock):
            yield Finding(f"{lock.name} is held by {lock.owner}, but no run is under way ({left})", fix)


def _holder_does_nothing(e: Evidence, lock: LockHealth) -> bool:
    """Whether the upserter is behind while its lock is held by somebody who never began a run."""
    job = e.report.job(UPSERT_JOB)
    if job is None or not lock.name.endswith(f"{UPSERT_JOB}_lock") or not upserter_is_behind(e.report):
        return False
    return not job.running


def worker_deaf(e: Evidence) -> Iterator[Finding]:
    ours = e.ours()
    for queue in e.report.queues.value or ():
        if f"worker-{queue.name}" not in ours:
            continue
        waits = e.report.taken_at - queue.oldest_sent_at if queue.oldest_sent_at else timedelta(0)
        up = e.report.taken_at - ours[f"worker-{queue.name}"].started_at
        if min(waits, up) > QUEUE_WAIT:
            oldest = duration_text(waits.total_seconds())
            yield Finding(
                f"{queue.depth} messages wait in {queue.name!r}, the oldest for {oldest}, "
                f"and worker-{queue.name} runs but takes none"
            )


def foreign_messages(e: Evidence) -> Iterator[Finding]:
    counters = e.report.tokens.value.counters if e.report.tokens.value else {}
    last = counters.get(MESSAGES_DROPPED_AT)
    if last is None or e.report.taken_at - from_unix_ms(last) > FOREIGN_FOR:
        return
    by_queue = {
        name.partition("|")[2]: count
        for name, count in counters.items()
        if name.startswith(f"{MESSAGES_DROPPED}|")
    }
    counts = ", ".join(f"{count} in {queue!r}" for queue, count in sorted(by_queue.items()))
    when = age_text(from_unix_ms(last), e.report.taken_at)
    yield Finding(f"messages that are none of ours were dropped: {counts}, the last one {when}")


def messages_lost(e: Evidence) -> Iterator[Finding]:
    """Beat sends, nothing waits, nothing starts: the messages go nowhere."""
    ours, queues, beat = e.ours(), e.report.queues.value, e.report.beat.value
    if queues is None or beat is None or not {"beat", "worker-upsert", "worker-backfill"} <= ours.keys():
        return
    pairs = ((UPSERT_JOB, "upsert", e.report.behind_after), (BACKFILL_JOB, "backfill", QUEUE_WAIT * 2))
    for name, queue_name, limit in pairs:
        job, lock = e.report.job(name), e.report.lock(name)
        empty = all(queue.depth == 0 for queue in queues if queue.name == queue_name)
        if job is None or job.paused or not empty or (lock and lock.owner) or job.last_started_at is None:
            continue
        idle = e.report.taken_at - max(job.last_started_at, ours["beat"].started_at)
        if idle > limit:
            when = age_text(job.last_started_at, e.report.taken_at)
            yield Finding(f"beat ticks, {queue_name!r} is empty, and {name} last started {when}")
