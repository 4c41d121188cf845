"""From evidence to causes. Each rule has a stable name, which the runbook and the alerts use, too.

The order of :data:`RULES` is the rank: what makes other things fail stands before what it causes.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import psutil

from keepa_deals.diagnosis.evidence import Evidence
from keepa_deals.health.readiness import age_text, duration_text, upserter_is_behind
from keepa_deals.health.report import UPSERT_JOB, JobHealth, LockHealth
from keepa_deals.keepa.costs import DEAL_PAGE_TOKENS, DEALS_PER_PAGE

LEAST_DISK = 100 << 20
CLOCK_TOLERANCE = timedelta(seconds=30)
START = "./start_celery.sh"
RESTART = "./kill_everything_force.sh && ./start_celery.sh"


@dataclass(frozen=True, slots=True)
class Rule:
    """One possible cause: what it means for the deals, how it is recognised, and what mends it."""

    name: str
    meaning: str
    fix: str
    find: Callable[[Evidence], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule that the evidence fulfils."""

    rule: Rule
    evidence: str


def verdict(evidence: Evidence) -> tuple[Cause, ...]:
    """The causes that the evidence shows, the first one first."""
    return tuple(Cause(rule, text) for rule in RULES for text in rule.find(evidence))


def _running(evidence: Evidence) -> set[str]:
    table = evidence.processes.value
    return {process.program for process in table.ours if process.program} if table else set()


def _upserter(evidence: Evidence) -> JobHealth | None:
    return evidence.report.job(UPSERT_JOB)


def _last_error(evidence: Evidence) -> str:
    """The last error of either job, unless the job has succeeded since."""
    for job in evidence.report.jobs.value or ():
        failed = job.last_outcome in ("failed", "lost_lock")
        if failed and job.last_error:
            return f"{job.name}: {job.last_error}"
    return ""


# -- the rules -----------------------------------------------------------------------------------
def _not_running(e: Evidence) -> Iterator[str]:
    if e.processes.known and not _running(e) - {"sandbox", "redis"}:
        yield "none of the service's processes runs"


def _disk_full(e: Evidence) -> Iterator[str]:
    if e.host.value and e.host.value.disk_free < LEAST_DISK:
        yield f"{e.host.value.disk_free >> 20} MB are free at {e.settings.keepa_deals_home}"
    elif "full" in _last_error(e) and "disk" in _last_error(e):
        yield _last_error(e)


def _redis_down(e: Evidence) -> Iterator[str]:
    if e.report.redis.error:
        yield e.report.redis.error


def _redis_evicts(e: Evidence) -> Iterator[str]:
    redis = e.report.redis.value
    if redis and (redis.policy not in ("noeviction", "unknown") or redis.evicted_keys):
        yield f"maxmemory-policy is {redis.policy}, {redis.evicted_keys} keys were evicted"


def _redis_not_saving(e: Evidence) -> Iterator[str]:
    redis = e.report.redis.value
    if redis and not (redis.aof_ok and redis.last_save_ok):
        yield "its last write of its data to the disk failed"


def _database_unavailable(e: Evidence) -> Iterator[str]:
    error = e.report.database.error or e.report.jobs.error or e.report.deals.error
    if error and not _is_locked(error):
        yield error


def _database_locked(e: Evidence) -> Iterator[str]:
    texts = (
        e.writable.error,
        e.report.database.error,
        e.report.jobs.error,
        e.report.deals.error,
        _last_error(e),
    )
    locked = next((text for text in texts if text and _is_locked(text)), None)
    if locked:
        yield locked


def _is_locked(text: str) -> bool:
    return "locked" in text and "lock went" not in text


def _database_not_migrated(e: Evidence) -> Iterator[str]:
    schema = e.report.database.value
    if schema and not schema.migrated:
        found = schema.revision or "nothing"
        yield f"the tables are at {found}, this version needs {schema.expected_revision}"


def _supervisor_down(e: Evidence) -> Iterator[str]:
    if e.processes.known and _running(e) - {"supervisord", "sandbox"} and "supervisord" not in _running(e):
        yield "supervisord is gone: what dies now stays dead"


def _beat_down(e: Evidence) -> Iterator[str]:
    if not e.processes.known or not _running(e):
        return
    if "beat" not in _running(e):
        yield "no Celery beat of this deployment runs" + _beat_pid_file(e)
    elif e.report.beat.known and any(p.name == "beat_down" for p in e.report.problems):
        yield f"beat runs, but its last tick was {age_text(e.report.beat.value, e.report.taken_at)}"


def _beat_pid_file(e: Evidence) -> str:
    file = next((f for f in e.pid_files.value or () if f.program == "beat"), None)
    if file is None:
        return ""
    return f"; celerybeat.pid names pid {file.pid}, which " + (
        "belongs to another program" if file.alive else "is gone"
    )


def _worker_down(e: Evidence) -> Iterator[str]:
    if e.processes.known and _running(e):
        for name in ("worker-upsert", "worker-backfill"):
            if name not in _running(e):
                yield f"{name} does not run"


def _worker_suspended(e: Evidence) -> Iterator[str]:
    table = e.processes.value
    for process in table.ours if table else ():
        if process.suspended:
            pids = ", ".join(map(str, process.suspended))
            yield f"{process.program} is stopped by a signal (pid {pids})"


def _worker_deaf(e: Evidence) -> Iterator[str]:
    if {"worker-upsert", "worker-backfill"} <= _running(e):
        for problem in e.report.problems:
            if problem.name == "worker_deaf":
                yield problem.text


def _zombie_lock(e: Evidence) -> Iterator[str]:
    for lock in e.report.locks.value or ():
        if lock.owner is None:
            continue
        left = f"{lock.ttl_seconds:.0f} s left" if lock.ttl_seconds is not None else "it never expires"
        if lock.ttl_seconds is None or lock.ttl_seconds > e.settings.lock_ttl_seconds + 1:
            yield f"{lock.name} is held by {lock.owner}, {left}: none of our locks lasts that long"
        elif _holder_is_dead(lock):
            yield f"{lock.name} is held by {lock.owner}, which is dead ({left})"


def _holder_is_dead(lock: LockHealth) -> bool:
    here = lock.host == socket.gethostname()
    return here and lock.pid is not None and not psutil.pid_exists(lock.pid)


def _key_refused(e: Evidence) -> Iterator[str]:
    live = e.token_status.error if e.token_status else None
    text = next((t for t in (live, _last_error(e)) if t and "402" in t), None)
    if text:
        yield text


def _selection_rejected(e: Evidence) -> Iterator[str]:
    if " 400 " in _last_error(e):
        yield _last_error(e)


def _keepa_trouble(e: Evidence) -> Iterator[str]:
    text = _last_error(e) or (e.token_status.error if e.token_status and e.token_status.error else "")
    if "Keepa" in text and " 400 " not in text and " 402 " not in text:
        yield text


def _clock_wrong(e: Evidence) -> Iterator[str]:
    redis, tokens = e.report.redis.value, e.report.tokens.value
    if redis and abs(redis.clock - e.report.taken_at) > CLOCK_TOLERANCE:
        yield f"Redis's clock and this machine's differ by {abs(redis.clock - e.report.taken_at)}"
    offset = tokens.clock_offset_seconds if tokens else None
    if offset is not None and abs(offset) > CLOCK_TOLERANCE.total_seconds():
        yield f"Keepa's clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} ours"


def _foreign_spender(e: Evidence) -> Iterator[str]:
    tokens = e.report.tokens.value
    if tokens and tokens.foreign_tokens > 0:
        total = tokens.counters.get("foreign", 0)
        yield f"up to {tokens.foreign_tokens} tokens between two answers are not spent by us ({total} in all)"


def _token_starvation(e: Evidence) -> Iterator[str]:
    tokens = e.report.tokens.value
    if tokens is None or tokens.available is None:
        return
    longest = tokens.small.longest_wait_seconds or 0
    if longest > 2 * e.settings.keepa_tick_seconds:
        yield f"a small request has waited {duration_text(longest)} at a balance of {tokens.available}"
    elif tokens.available < 0 and upserter_is_behind(e.report):
        yield f"the balance is {tokens.available}, {tokens.refill_rate} tokens come a minute"


def _budget_too_small(e: Evidence) -> Iterator[str]:
    deals, tokens = e.report.deals.value, e.report.tokens.value
    if deals is None or tokens is None or not tokens.refill_rate:
        return
    pages = math.ceil((deals.live + deals.stale) / DEALS_PER_PAGE)
    window = e.settings.deal_fresh_minutes * 60 / e.settings.keepa_tick_seconds
    runs = e.settings.deal_fresh_minutes * 60 / e.settings.upsert_interval_seconds
    needed, there = DEAL_PAGE_TOKENS * max(pages, runs), tokens.refill_rate * window
    if needed > there:
        yield f"{needed:.0f} tokens are needed each freshness window, {there:.0f} come"


def _selection_matches_nothing(e: Evidence) -> Iterator[str]:
    job, deals = _upserter(e), e.report.deals.value
    if (
        job
        and deals
        and job.last_outcome == "succeeded"
        and not deals.live
        and not upserter_is_behind(e.report)
    ):
        yield "update_recent_deals succeeds, and Keepa shows it no deal"


def _job_paused(e: Evidence) -> Iterator[str]:
    for job in e.report.jobs.value or ():
        if job.paused:
            yield f"{job.name} is paused"


def _dashboard_down(e: Evidence) -> Iterator[str]:
    if e.dashboard.error and _running(e):
        yield f"the dashboard does not answer: {e.dashboard.error}"


def _upserter_behind(e: Evidence) -> Iterator[str]:
    if e.report.jobs.known and upserter_is_behind(e.report):
        job = _upserter(e)
        when = age_text(job.last_success_at if job else None, e.report.taken_at)
        outcome = f", its last outcome is {job.last_outcome}" if job and job.last_outcome else ""
        yield f"its last success was {when}{outcome}"


def _deals_stale(e: Evidence) -> Iterator[str]:
    deals = e.report.deals.value
    if deals and deals.stale > max(5, (deals.live + deals.stale) // 50):
        yield f"{deals.stale} of {deals.live + deals.stale} open deals were not verified in time"


RULES: tuple[Rule, ...] = (
    Rule("not_running", "Nothing is refreshed, so live deals go stale one by one.", START, _not_running),
    Rule("disk_full", "Neither the database nor Redis can write.", "make room, then " + START, _disk_full),
    Rule("redis_down", "No tokens are granted, no task is delivered.", START, _redis_down),
    Rule("redis_evicts", "Locks and the balance may vanish at any time.",
         "redis-cli CONFIG SET maxmemory-policy noeviction", _redis_evicts),
    Rule("redis_not_saving", "A restart of Redis would lose the balance and the queue.",
         "look into log/redis.log; check disk and permissions", _redis_not_saving),
    Rule("database_unavailable", "Nothing can be read or written.",
         "check DATABASE_URL and the database's own log", _database_unavailable),
    Rule("database_locked", "Another program holds the database; our writes wait and fail.",
         "find it with: fuser -v var/deals.db (your home's)", _database_locked),
    Rule("database_not_migrated", "The code and the tables do not fit.", START, _database_not_migrated),
    Rule("supervisor_down", "The service runs on, but nobody restarts what dies.", RESTART, _supervisor_down),
    Rule("beat_down", "No run is scheduled, so live deals go stale.", START, _beat_down),
    Rule("worker_down", "Its queue is not worked on.", RESTART, _worker_down),
    Rule("worker_suspended", "A stopped process holds its task and hears nothing.",
         "kill -CONT <pid>, or " + RESTART, _worker_suspended),
    Rule("worker_deaf", "The worker runs but takes no messages.", RESTART, _worker_deaf),
    Rule("zombie_lock", "Runs are skipped until the lock is gone.", RESTART, _zombie_lock),
    Rule("key_refused", "Keepa answers nothing to this key.",
         "correct KEEPA_API_KEY in .env (or pay the subscription), then " + RESTART, _key_refused),
    Rule("selection_rejected", "Keepa does not understand the deal query.",
         "correct the file in KEEPA_DEAL_SELECTION, then " + RESTART, _selection_rejected),
    Rule("clock_wrong", "Ticks and ages are counted wrongly.", "set the clock (timedatectl set-ntp true)",
         _clock_wrong),
    Rule("keepa_trouble", "Keepa fails or cannot be reached; deals go stale until it is back.",
         "wait; check the network with --live", _keepa_trouble),
    Rule("foreign_spender", "Another program spends the same key's tokens.",
         "find it, or give it a key of its own", _foreign_spender),
    Rule("token_starvation", "The upserter does not get its tokens in time.",
         "wait for the balance; or a larger plan, or a longer UPSERT_INTERVAL_SECONDS", _token_starvation),
    Rule("budget_too_small", "The plan cannot keep so many deals fresh.",
         "narrow the selection, raise DEAL_FRESH_MINUTES, or take a larger plan", _budget_too_small),
    Rule("selection_matches_nothing", "The query finds no deals.",
         "widen the file in KEEPA_DEAL_SELECTION", _selection_matches_nothing),
    Rule("job_paused", "Somebody has paused it.", "resume it on the dashboard's health page", _job_paused),
    Rule("dashboard_down", "Nobody can see the deals.", "look into log/dashboard.log", _dashboard_down),
    Rule("upserter_behind", "Deals are not being refreshed.", "look into log/celery_worker.log",
         _upserter_behind),
    Rule("deals_stale", "Deals that may still hold are no longer shown as live.",
         "wait for the next sweep; see the causes above", _deals_stale),
)  # fmt: skip
