"""Causes in Redis: itself, its memory, its data, and who may write there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from keepa_deals.diagnosis.evidence.gather import PAST, Evidence
from keepa_deals.diagnosis.rules.base import (
    RESTART,
    START,
    Alert,
    Finding,
    Precedence,
    Rank,
    Signs,
    Stops,
    last_error,
    rule,
)
from keepa_deals.redis_store import who_may_write

NEARLY_FULL = 0.95
RELEARNED_WITHIN = timedelta(minutes=3)
"""The next run asks Keepa for the balance: what is unknown for longer has another cause."""


@rule(
    rank=Rank.STORES,
    meaning="No tokens are granted, no task is delivered.",
    seen_by="Redis does not answer, refuses the password, or still loads",
    fix=START,
    stops=Stops.ALL,
    follows="not_running process_suspended disk_full home_not_writable",
    alert=Alert("keepa_deals_problem{name='redis_down'} == 1"),
    signs=Signs(
        ("redis does not answer", "redis is away", "error while reading from", "connecting to unix"),
        Precedence.AT_ALL,
    ),
)
def redis_down(evidence: Evidence) -> Iterator[Finding]:
    error = evidence.report.redis.error
    if not error:
        return
    if "password" in error or "NOAUTH" in error or "WRONGPASS" in error:
        yield Finding(error, "correct the password in REDIS_URL (.env), then " + RESTART)
    elif "NOPERM" in error or "no permissions" in error.lower():
        yield Finding(error, f"give the user of REDIS_URL that right (docs/access.md), then {RESTART}")
    elif "loading" in error.lower():
        yield Finding(error, "wait: it reads its data from the disk (log/redis.log)")
    elif evidence.embedded_redis or evidence.settings.redis_url is None:
        log = evidence.settings.log_dir / "redis.log"
        yield Finding(error, f"{START}; if it does not come back, read {log}")
    else:
        yield Finding(error, "start the Redis that REDIS_URL names (systemctl restart redis-server)")


@rule(
    rank=Rank.STORES,
    meaning="Every write is refused: no lock, no grant, no message.",
    seen_by="INFO says role: slave",
    fix=f"name the master in REDIS_URL, then {RESTART}",
    stops=Stops.UPSERTER,
    alert=Alert("keepa_deals_redis_replica == 1"),
)
def redis_replica(evidence: Evidence) -> Iterator[Finding]:
    redis = evidence.report.redis.value
    if redis and redis.role != "master":
        yield Finding(f"REDIS_URL names a {redis.role}, which takes no writes")


@rule(
    rank=Rank.STORES,
    meaning="Writes are refused: no lock, no grant, no message.",
    seen_by="used memory is at 95 % of maxmemory or above, or a job was refused for it",
    fix="give it more (CONFIG SET maxmemory), or a Redis of our own: unset REDIS_URL",
    stops=Stops.ALL,
    alert=Alert(
        "keepa_deals_redis_memory_bytes > 0.95 * keepa_deals_redis_memory_limit_bytes "
        "and keepa_deals_redis_memory_limit_bytes > 0"
    ),
    signs=Signs(("oom command not allowed", "used memory > 'maxmemory'")),
)
def redis_full(evidence: Evidence) -> Iterator[Finding]:
    redis = evidence.report.redis.value
    if redis and redis.max_memory and redis.used_memory > NEARLY_FULL * redis.max_memory:
        yield Finding(
            f"{redis.used_memory >> 10} of {redis.max_memory >> 10} KB are used",
            f"{redis_cli(evidence)} CONFIG SET maxmemory 0 (or larger)",
        )
    elif text := last_error(evidence, "redis_full"):
        yield Finding(text)


@rule(
    rank=Rank.STORES,
    meaning="Locks and the balance may vanish at any time.",
    seen_by="maxmemory-policy is not noeviction",
    fix="redis-cli CONFIG SET maxmemory-policy noeviction (and in redis.conf)",
    alert=Alert("keepa_deals_redis_evicts == 1"),
)
def redis_evicts(evidence: Evidence) -> Iterator[Finding]:
    redis = evidence.report.redis.value
    if redis and redis.evicts:
        yield Finding(
            f"maxmemory-policy is {redis.policy}, {redis.evicted_keys} keys were evicted so far",
            f"{redis_cli(evidence)} CONFIG SET maxmemory-policy noeviction",
        )


@rule(
    rank=Rank.STORES,
    meaning="A restart of Redis would lose the balance and the queue.",
    seen_by="its last append or snapshot failed",
    fix="look into log/redis.log; check disk and permissions",
    stops=Stops.UPSERTER,
    follows="disk_full home_not_writable",
    alert=Alert("keepa_deals_redis_save_failed == 1"),
    signs=Signs(("misconf",)),
)
def redis_not_saving(evidence: Evidence) -> Iterator[Finding]:
    redis = evidence.report.redis.value
    if redis and not redis.saves:
        what = "its append-only file" if not redis.aof_ok else "its snapshot"
        yield Finding(f"its last attempt to write {what} failed")


@rule(
    rank=Rank.STORES,
    meaning="Who reaches Redis can spend the tokens, send tasks and take locks.",
    seen_by="REDIS_URL names another host over TCP, without a password",
    fix=f"set requirepass (or an ACL user) in redis.conf, put it into REDIS_URL, then {RESTART}",
    alert=None,
)
def redis_exposed(evidence: Evidence) -> Iterator[Finding]:
    """On loopback it is told at the start only: there it is the machine's own users."""
    who = who_may_write(evidence.settings)
    if who is not None and "machine" not in who:
        yield Finding(f"REDIS_URL has no password: {who} can grant tokens, send tasks and take locks")


@rule(
    rank=Rank.STORES,
    meaning="Balance, counters and messages are gone; they are learned anew within a minute or two.",
    seen_by="runs are recorded from before the moment at which the counters in Redis began",
    fix=f"nothing, if it heals within two minutes; else {RESTART}; find who empties it",
    stops=Stops.UPSERTER,
    alert=None,
)
def redis_lost_data(evidence: Evidence) -> Iterator[Finding]:
    """Only while the loss is felt; what has healed is told as past."""
    lost, tokens = lost_at(evidence), evidence.report.tokens.value
    fresh = lost is not None and evidence.report.taken_at - lost < RELEARNED_WITHIN
    if fresh and tokens is not None and tokens.available is None:
        yield Finding("the balance, the counters and the queues are gone: Redis was flushed or replaced")


def lost_at(evidence: Evidence) -> datetime | None:
    """When Redis began anew, runs being recorded from before; ``None`` when it did not within the hour."""
    tokens, history = evidence.report.tokens.value, evidence.report.history.value
    if tokens is None or history is None or history.first_run_at is None:
        return None
    noted = tokens.counters.since
    if noted is None and tokens.available is not None:
        return None  # a beat from before this was noted
    since = noted or evidence.report.taken_at
    recent = evidence.report.taken_at - since < PAST
    return since if recent and since - history.first_run_at > timedelta(minutes=1) else None


def redis_cli(evidence: Evidence) -> str:
    """The command that speaks to this Redis."""
    if not evidence.embedded_redis:
        return "redis-cli -u $REDIS_URL"
    return f"redis-cli -s {evidence.settings.redis_address.socket}"
