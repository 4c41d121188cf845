"""The evidence as lines for people: one fact a line, with ok, warn, fail or unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from keepa_deals.diagnosis.evidence import Evidence
from keepa_deals.diagnosis.rules import verdict
from keepa_deals.health.readiness import age_text, duration_text
from keepa_deals.health.report import REPORTED_JOBS

EXPECTED = ("supervisord", "worker-upsert", "worker-backfill", "beat", "dashboard")


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One fact."""

    section: str
    level: Level
    text: str


def lines_of(evidence: Evidence) -> tuple[Line, ...]:
    """Every section in a fixed order; what could not be read is *unknown*, with the reason."""
    parts = (_processes, _pid_files, _redis, _locks, _tokens, _jobs, _queues, _database, _deals)
    return tuple(line for part in (*parts, _dashboard, _host) for line in part(evidence))


def complete(evidence: Evidence) -> bool:
    """Whether everything could be looked at: only then "healthy" means something."""
    readings = (*evidence.report.readings().values(), evidence.processes, evidence.pid_files, evidence.host)
    return all(reading.known for reading in readings)


def _processes(e: Evidence) -> Iterator[Line]:
    table = e.processes.value
    if table is None:
        yield Line("processes", Level.UNKNOWN, str(e.processes.error))
        return
    found = {process.program: process for process in table.ours}
    expected = (*EXPECTED, *(("redis",) if e.embedded_redis else ()))
    for name in expected:
        process = found.get(name)
        if process is None:
            yield Line("processes", Level.FAIL, f"{name}: not running")
        else:
            since = age_text(process.started_at, e.report.taken_at)
            state = Level.FAIL if process.suspended else Level.OK
            note = ", stopped by a signal" if process.suspended else ""
            memory = process.memory >> 20
            yield Line("processes", state, f"{name}: pid {process.pid}, since {since}, {memory} MB{note}")
    for process in table.strangers:
        yield Line(
            "processes", Level.OK, f"not ours: pid {process.pid} of {process.user}: {process.command[:60]}"
        )
    for process in table.unknown:
        text = f"cannot tell whose: pid {process.pid} of {process.user} (run as that user or as root)"
        yield Line("processes", Level.UNKNOWN, text)


def _pid_files(e: Evidence) -> Iterator[Line]:
    table = e.processes.value
    ours = table.pids if table else frozenset()
    for file in e.pid_files.value or ():
        if file.pid is None or not file.alive:
            yield Line("pid files", Level.WARN, f"{file.name}.pid is stale: pid {file.pid} is gone")
        elif table and file.pid not in ours:
            yield Line("pid files", Level.WARN, f"{file.name}.pid is foreign: pid {file.pid} is not ours")
        else:
            yield Line("pid files", Level.OK, f"{file.name}.pid: {file.pid}")
    if e.pid_files.error:
        yield Line("pid files", Level.UNKNOWN, e.pid_files.error)


def _redis(e: Evidence) -> Iterator[Line]:
    redis = e.report.redis.value
    if redis is None:
        yield Line("redis", Level.FAIL, str(e.report.redis.error))
        return
    bad = redis.policy not in ("noeviction", "unknown") or not redis.aof_ok or not redis.last_save_ok
    saving = "append-only file" if redis.aof_enabled else "snapshots only"
    text = f"{redis.version}, {redis.used_memory >> 20} MB, {redis.policy}, {saving}"
    up = duration_text(redis.uptime_seconds)
    yield Line("redis", Level.WARN if bad else Level.OK, f"{text}, up {up}, {redis.clients} clients")


def _locks(e: Evidence) -> Iterator[Line]:
    if e.report.locks.value is None:
        yield Line("locks", Level.UNKNOWN, str(e.report.locks.error))
    zombies = {c.evidence.split()[0] for c in verdict(e) if c.rule.name == "zombie_lock"}
    for lock in e.report.locks.value or ():
        if lock.owner is None:
            yield Line("locks", Level.OK, f"{lock.name}: free")
            continue
        left = f"{lock.ttl_seconds:.0f} s left" if lock.ttl_seconds is not None else "never expires"
        level = Level.FAIL if lock.name in zombies else Level.OK
        yield Line("locks", level, f"{lock.name}: {lock.owner}, {left}")


def _tokens(e: Evidence) -> Iterator[Line]:
    tokens = e.report.tokens.value
    if tokens is None or tokens.available is None:
        yield Line("tokens", Level.UNKNOWN, e.report.tokens.error or "the balance is not known yet")
        return
    level = Level.WARN if tokens.available < 0 else Level.OK
    since = age_text(tokens.as_of, e.report.taken_at)
    mode = ", bulk recovers" if tokens.recovering else ""
    text = f"{tokens.available} of {tokens.capacity}, {tokens.refill_rate} a tick, told {since}{mode}"
    yield Line("tokens", level, text)
    for name in ("small", "bulk"):
        lane = getattr(tokens, name)
        longest = (
            f", the longest for {duration_text(lane.longest_wait_seconds)}"
            if lane.longest_wait_seconds
            else ""
        )
        yield Line("tokens", Level.OK, f"{name} lane: {lane.waiting} wait{longest}")
    prices = ", ".join(f"{kind} {price:g}" for kind, price in tokens.prices.items()) or "none yet"
    yield Line("tokens", Level.OK, f"learned prices: {prices}")
    refused = tokens.counters.get("rejected_429", 0)
    yield Line("tokens", Level.WARN if refused else Level.OK, f"refused by Keepa (429): {refused}")
    if tokens.foreign_tokens:
        yield Line(
            "tokens", Level.WARN, f"another program spends up to {tokens.foreign_tokens} between answers"
        )
    if e.token_status and e.token_status.value:
        drift = tokens.available + tokens.reserved - e.token_status.value.tokens_left
        yield Line("tokens", Level.WARN if drift > 0 else Level.OK, f"drift against /token: {drift}")
    elif e.token_status:
        yield Line("tokens", Level.FAIL, f"/token: {e.token_status.error}")


def _jobs(e: Evidence) -> Iterator[Line]:
    if e.report.jobs.value is None:
        yield Line("jobs", Level.UNKNOWN, str(e.report.jobs.error))
        return
    behind = any(problem.name == "upserter_behind" for problem in e.report.problems)
    for name in REPORTED_JOBS:
        job = e.report.job(name)
        if job is None:
            yield Line("jobs", Level.FAIL, f"{name}: never ran")
            continue
        success = age_text(job.last_success_at, e.report.taken_at)
        bad = job.last_outcome in ("failed", "lost_lock") or (behind and name == REPORTED_JOBS[0])
        text = f"{name}: last success {success}, last outcome {job.last_outcome}"
        text += f" ({job.last_error})" if job.last_error else ""
        mark = f", watermark {job.watermark:%Y-%m-%d %H:%M}Z" if job.watermark else ""
        yield Line("jobs", Level.FAIL if bad else Level.OK, text + mark)


def _queues(e: Evidence) -> Iterator[Line]:
    if e.report.queues.value is None:
        yield Line("queues", Level.UNKNOWN, str(e.report.queues.error))
    for queue in e.report.queues.value or ():
        oldest = (
            f", the oldest {age_text(queue.oldest_sent_at, e.report.taken_at)}"
            if queue.oldest_sent_at
            else ""
        )
        level = Level.WARN if queue.depth >= 20 else Level.OK
        yield Line("queues", level, f"{queue.name}: {queue.depth} waiting{oldest}")


def _database(e: Evidence) -> Iterator[Line]:
    schema = e.report.database.value
    if schema is None:
        yield Line("database", Level.FAIL, str(e.report.database.error))
        return
    size = f", {schema.size_bytes >> 20} MB" if schema.size_bytes is not None else ""
    level = Level.OK if schema.migrated else Level.FAIL
    yield Line("database", level, f"{schema.dialect}, migration {schema.revision}{size}")


def _deals(e: Evidence) -> Iterator[Line]:
    deals, flow = e.report.deals.value, e.report.flow.value
    if deals is None:
        yield Line("deals", Level.UNKNOWN, str(e.report.deals.error))
        return
    level = Level.OK if deals.live and not deals.stale else Level.WARN
    yield Line("deals", level, f"{deals.live} live, {deals.stale} stale, {deals.ended} ended")
    ages = ", ".join(f"≤ {int(edge.total_seconds() // 60)} min: {n}" for edge, n in deals.ages)
    yield Line("deals", Level.OK, f"live deals by time since last seen: {ages}")
    soon = deals.stale_within(timedelta(minutes=e.settings.deal_fresh_minutes) / 4)
    yield Line("deals", Level.OK, f"unless seen again, {soon} go stale within a quarter of the window")
    if flow:
        reasons = ", ".join(f"{kind}{f' ({reason})' if reason else ''} {n}" for (kind, reason), n in
                            sorted(flow.last_hour.items(), key=str)) or "none"  # fmt: skip
        yield Line("deals", Level.OK, f"changes of the last hour: {reasons}")


def _dashboard(e: Evidence) -> Iterator[Line]:
    if e.dashboard.value is None:
        yield Line("dashboard", Level.WARN, f"does not answer: {e.dashboard.error}")
        return
    shown, deals = e.dashboard.value.get("deals", {}).get("live"), e.report.deals.value
    agrees = deals is None or shown is None or abs(shown - deals.live) <= max(3, deals.live // 50)
    yield Line("dashboard", Level.OK if agrees else Level.WARN, f"shows {shown} live deals")


def _host(e: Evidence) -> Iterator[Line]:
    host = e.host.value
    if host is None:
        yield Line("host", Level.UNKNOWN, str(e.host.error))
        return
    level = Level.FAIL if host.disk_free < (100 << 20) else Level.OK
    yield Line("host", level, f"disk: {host.disk_free >> 20} of {host.disk_total >> 20} MB free")
    yield Line("host", Level.OK, f"memory: {host.memory_available >> 20} MB available")
