"""The lines about what Redis and the database hold: locks, tokens, Keepa's answers, jobs, queues, deals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from keepa_deals.call_log import is_good
from keepa_deals.diagnosis.evidence.gather import PAST, Evidence
from keepa_deals.diagnosis.find_keepa import live_drift, patience_of_small
from keepa_deals.diagnosis.find_stores import QUEUE_WAIT
from keepa_deals.diagnosis.sections import Level, Line, warn_if
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.readiness import age_text, duration_text
from keepa_deals.health.report import ARRIVALS, REPORTED_JOBS, UPSERT_JOB, JobHealth, LockHealth, RedisHealth


def redis(e: Evidence) -> Iterator[Line]:
    """Reachable, persistence, memory, eviction."""
    found = e.report.redis.value
    if found is None:
        yield Line("redis", Level.FAIL, str(e.report.redis.error))
        return
    up = duration_text(found.uptime_seconds)
    text = f"{found.version}, {found.role}, up {up}, {found.clients} clients"
    yield Line("redis", warn_if(found.role != "master"), text)
    evicts = found.policy not in ("noeviction", "unknown")
    limit = f" of {found.max_memory >> 20}" if found.max_memory else ""
    full = found.max_memory and found.used_memory > 0.9 * found.max_memory
    memory = f"memory: {found.used_memory >> 20}{limit} MB, {found.policy}, {found.evicted_keys} keys evicted"
    yield Line("redis", warn_if(evicts or full), memory)
    yield Line(
        "redis", warn_if(not (found.aof_ok and found.last_save_ok)), f"persistence: {_saving(e, found)}"
    )


def _saving(e: Evidence, found: RedisHealth) -> str:
    if found.aof_enabled:
        return f"append-only file, last write {'ok' if found.aof_ok else 'failed'}"
    saved = age_text(found.last_save_at, e.report.taken_at)
    return f"snapshots only, last {saved}{'' if found.last_save_ok else ' failed'}"


def locks(e: Evidence) -> Iterator[Line]:
    """Holder, alive or zombie, since when, how long it still lasts."""
    if e.report.locks.value is None:
        yield Line("locks", Level.UNKNOWN, str(e.report.locks.error))
    for lock in e.report.locks.value or ():
        if lock.owner is None:
            yield Line("locks", Level.OK, f"{lock.name}: free")
            continue
        left = f"{lock.ttl_seconds:.0f} s left" if lock.ttl_seconds is not None else "never expires"
        too_long = lock.ttl_seconds is None or lock.ttl_seconds > e.settings.lock_ttl_seconds + 1
        state, bad = _holder(lock)
        since = _held_since(e, lock)
        level = Level.FAIL if bad or too_long else Level.OK
        yield Line("locks", level, f"{lock.name}: {state}{since}, {left} ({lock.owner})")


def _holder(lock: LockHealth) -> tuple[str, bool]:
    if lock.host is None:
        return "held by somebody else", True
    if lock.dead:
        return f"zombie: pid {lock.pid} of this machine is dead", True
    return f"held by pid {lock.pid} of {lock.host}", False


def _held_since(e: Evidence, lock: LockHealth) -> str:
    job = e.report.job(lock.name.removesuffix("_lock"))
    return f" for {_ago(e, job.last_started_at)}" if job and job.running else ""


def _ago(e: Evidence, moment: object) -> str:
    return age_text(moment, e.report.taken_at).removesuffix(" ago")  # type: ignore[arg-type]


def tokens(e: Evidence) -> Iterator[Line]:
    """Balance, lanes and waits, recovery, learned prices, drift."""
    found = e.report.tokens.value
    if found is None or found.available is None:
        yield Line("tokens", Level.UNKNOWN, e.report.tokens.error or "the balance is not known yet")
    else:
        yield from _account(e, found)
        for name in ("small", "bulk"):
            yield _lane(e, name, found)
        prices = ", ".join(f"{kind} {price:g}" for kind, price in found.prices.items()) or "none yet"
        yield Line("tokens", Level.OK, f"learned prices: {prices}")
    if e.token_status is None:
        return
    if (drift := live_drift(e)) is not None and found:
        in_flight = f", {found.reserved} in flight" if found.reserved else ""
        yield Line(
            "tokens", warn_if(drift > found.reserved), f"drift against /token: {drift} tokens{in_flight}"
        )
    elif e.token_status.error:
        yield Line("tokens", Level.FAIL, f"/token: {e.token_status.error}")


def _account(e: Evidence, found: TokenHealth) -> Iterator[Line]:
    assert found.available is not None
    mode = ", bulk waits for the recovery target" if found.recovering else ""
    told = age_text(found.as_of, e.report.taken_at)
    tick = f", next tick {age_text(found.next_tick_at, e.report.taken_at)}" if found.next_tick_at else ""
    yield Line(
        "tokens",
        warn_if(found.available < 0),
        f"{found.available} of {found.capacity}, {found.refill_rate} a tick, {found.reserved} reserved, "
        f"told {told}{tick}{mode}",
    )
    count = found.counters.get
    lost = ", ".join(
        f"{words} {count(name, 0)}"
        for name, words in (("foreign", "foreign"), ("wasted", "overflowed"), ("expired", "unanswered"))
    )
    yield Line(
        "tokens",
        warn_if(found.foreign_tokens),
        f"since the start: {count('rejected_429', 0)} refusals (429); tokens: {lost}",
    )


def _lane(e: Evidence, name: str, found: TokenHealth) -> Line:
    lane = found.small if name == "small" else found.bulk
    longest = lane.longest_wait_seconds or 0
    now = f", the longest for {duration_text(longest)}" if longest else ""
    late = name == "small" and longest > patience_of_small(e)
    return Line(
        "tokens", warn_if(late), f"{name} lane: {lane.waiting} wait{now}; {_waited(name, found.counters)}"
    )


def _waited(lane: str, counters: Mapping[str, int]) -> str:
    granted = counters.get(f"grants|{lane}", 0)
    waits = sum(n for name, n in counters.items() if name.startswith(f"waited_le|{lane}|"))
    seconds = counters.get(f"waited_ms|{lane}", 0) / 1000
    mean = f", {seconds / waits:.0f} s each" if waits else ""
    return f"{granted} granted so far, {waits} after a wait{mean}"


def keepa(e: Evidence) -> Iterator[Line]:
    """The last answer of each call, and the bad ones of the last hour."""
    answers = e.report.keepa.value
    if answers is None:
        yield Line("keepa", Level.UNKNOWN, str(e.report.keepa.error))
        return
    if not answers.last:
        yield Line("keepa", Level.OK, "no answer noted yet")
    for call, last in sorted(answers.last.items()):
        counts = {result: n for (name, result), n in answers.counts.items() if name == call}
        total = ", ".join(f"{n} × {result}" for result, n in sorted(counts.items())) or "none"
        price = f", {last.tokens} tokens" if last.tokens is not None else ""
        when = age_text(last.at, e.report.taken_at)
        text = f"{call}: {last.result} {when} in {last.seconds:.1f} s{price}; of late {total}"
        yield Line("keepa", warn_if(not is_good(last.result)), text)
    yield from _kept_answers(e)


def _kept_answers(e: Evidence) -> Iterator[Line]:
    """The answers that nobody understood: a bug report wants their files, and a bundle holds them."""
    if e.kept_answers.error:
        yield Line("keepa", Level.UNKNOWN, f"kept answers: {e.kept_answers.error}")
    for kept in e.kept_answers.value or ():
        what = f"{kept.call}: not understood {age_text(kept.at, e.report.taken_at)}: {kept.reason}"
        recent = e.report.taken_at - kept.at < PAST
        yield Line("keepa", warn_if(recent), f"{what} (kept: {kept.path})")


def jobs(e: Evidence) -> Iterator[Line]:
    """Last start, success and outcome; watermark and cursor."""
    if e.report.jobs.value is None:
        yield Line("jobs", Level.UNKNOWN, str(e.report.jobs.error))
        return
    behind = any(problem.name == "upserter_behind" for problem in e.report.problems)
    for name in REPORTED_JOBS:
        job = e.report.job(name)
        if job is None:
            yield Line("jobs", Level.FAIL, f"{name}: never ran")
            continue
        bad = job.last_outcome in ("failed", "lost_lock") or job.paused or (behind and name == UPSERT_JOB)
        yield Line("jobs", Level.FAIL if bad else Level.OK, f"{name}: {_job(e, job)}")
    history = e.report.history.value
    if history and history.last_sample_at:
        yield Line("jobs", Level.OK, f"maintenance: last sample {_ago(e, history.last_sample_at)} ago")


def _job(e: Evidence, job: JobHealth) -> str:
    now = e.report.taken_at
    parts = [
        f"started {age_text(job.last_started_at, now)}",
        f"succeeded {age_text(job.last_success_at, now)}",
    ]
    parts.append("runs" if job.running else f"last outcome {job.last_outcome}")
    parts += [f"error: {job.last_error}"] if job.last_error else []
    parts += ["paused"] if job.paused else []
    parts += [f"watermark {job.watermark:%Y-%m-%d %H:%M}Z"] if job.watermark else []
    parts += _place(job.cursor or {})
    return ", ".join(parts)


def _place(cursor: Mapping[str, Any]) -> Iterator[str]:
    """Where a job is by its cursor, the parts that say something to people."""
    if sweep := cursor.get("sweep"):
        hurry = " in a hurry" if sweep.get("hurry") else ""
        yield f"sweep at page {sweep['next_page']} of {sweep['pages']}{hurry}"
    if plan := cursor.get("plan"):
        yield f"keeps {plan['kept']} of {plan['matching']} matching deals fresh"
        yield f"{plan['needed']} of {plan['supply'] or '?'} tokens a window needed"
    if "walking" in cursor:
        yield f"walks the feed, page {cursor.get('page', 0)}"
    elif "walked" in cursor:
        yield "has walked the feed"


def queues(e: Evidence) -> Iterator[Line]:
    """Depth, and the oldest message."""
    if e.report.queues.value is None:
        yield Line("queues", Level.UNKNOWN, str(e.report.queues.error))
    for queue in e.report.queues.value or ():
        waits = e.report.taken_at - queue.oldest_sent_at if queue.oldest_sent_at else timedelta(0)
        oldest = f", the oldest for {duration_text(waits.total_seconds())}" if queue.oldest_sent_at else ""
        yield Line("queues", warn_if(waits > QUEUE_WAIT), f"{queue.name}: {queue.depth} waiting{oldest}")
    if e.report.beat.known:
        ticked = age_text(e.report.beat.value, e.report.taken_at)
        silent = any(problem.name == "beat_down" for problem in e.report.problems)
        yield Line("queues", warn_if(silent), f"beat's last tick: {ticked}")


def database(e: Evidence) -> Iterator[Line]:
    """Size, migrations, integrity, and who holds it."""
    schema = e.report.database.value
    if schema is None:
        yield Line("database", Level.FAIL, str(e.report.database.error))
    else:
        size = f", {schema.size_bytes >> 20} MB" if schema.size_bytes is not None else ""
        due = "" if schema.migrated else f", this version needs {schema.expected_revision}"
        text = f"{schema.dialect}, migration {schema.revision}{due}{size}"
        yield Line("database", Level.OK if schema.migrated else Level.FAIL, text)
    if e.integrity.value is not None:
        fine = e.integrity.value.startswith(("ok", "no file", "left to"))
        yield Line("database", Level.OK if fine else Level.FAIL, f"integrity: {e.integrity.value}")
    elif e.integrity.error:
        yield Line("database", Level.UNKNOWN, f"integrity: {e.integrity.error}")
    if e.writable.error:
        who = ", ".join(f"pid {h.pid} ({h.command[:50]})" for h in e.lock_holders.value or ())
        yield Line(
            "database", Level.WARN, f"not writable now: {e.writable.error}{'; held by ' + who if who else ''}"
        )


def deals(e: Evidence) -> Iterator[Line]:
    """Live, stale, ended; ages; arrivals and departures by hour and reason; the forecast."""
    found = e.report.deals.value
    if found is None:
        yield Line("deals", Level.UNKNOWN, str(e.report.deals.error))
        return
    total = found.live + found.stale
    level = warn_if(not found.live or found.stale > max(5, total // 50))
    yield Line("deals", level, f"{found.live} live, {found.stale} stale, {found.ended} ended")
    ages = ", ".join(f"≤ {int(edge.total_seconds() // 60)} min {n}" for edge, n in found.ages)
    yield Line("deals", Level.OK, f"live deals by time since last seen: {ages}")
    yield from _flow(e)
    yield from _forecast(e)


def _flow(e: Evidence) -> Iterator[Line]:
    flow = e.report.flow.value
    for hour, changes in enumerate(flow.hours if flow else ()):
        if not changes and hour:
            continue
        parts = [
            f"{'+' if kind in ARRIVALS else '-'}{n} {reason or kind}"
            for (kind, reason), n in sorted(
                changes.items(), key=lambda change: (change[0][0] not in ARRIVALS, str(change))
            )
        ]
        when = "last hour" if hour == 0 else f"{hour} to {hour + 1} h ago"
        yield Line("deals", Level.OK, f"{when}: {', '.join(parts) or 'no change'}")


def _forecast(e: Evidence) -> Iterator[Line]:
    forecast = e.report.forecast
    if forecast is None:
        return
    steps = ", ".join(f"{n} in {int(wait.total_seconds() // 60)} min" for wait, n in forecast.unattended)
    yield Line("deals", Level.OK, f"live if nobody looked any more: {steps}")
    if forecast.expected:
        hours = ", ".join(f"{n} in {h} h" for h, n in forecast.expected)
        yield Line("deals", Level.OK, f"live if it goes on as in the last hour: {hours}")
