"""Builds health reports for tests: everything in order unless told otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from keepa_deals.call_log import Answers
from keepa_deals.db.models import SearchOwner, SearchState
from keepa_deals.health.parts.alerts import AlertsHealth
from keepa_deals.health.parts.database import DatabaseHealth
from keepa_deals.health.parts.deals import DealsHealth
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.history import HistoryHealth
from keepa_deals.health.parts.host import HostHealth
from keepa_deals.health.parts.jobs import JobHealth
from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.parts.queues import QueueHealth
from keepa_deals.health.parts.redis import RedisHealth
from keepa_deals.health.parts.searches import SearchHealth
from keepa_deals.health.parts.seller import SellerHealth
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.health.probing import Reading
from keepa_deals.health.report import HealthReport
from keepa_deals.ingest.upsert.budget import Plan
from keepa_deals.jobs import BACKFILL_JOB, MAINTENANCE_JOB, UPSERT_JOB
from keepa_deals.keepa.enums import CsvType
from keepa_deals.searches.search import Search

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def redis_health(**changes: Any) -> RedisHealth:
    base = RedisHealth(
        version="8.2.1",
        role="master",
        uptime_seconds=3600,
        used_memory=2_000_000,
        max_memory=0,
        policy="noeviction",
        loading=False,
        aof_enabled=True,
        aof_ok=True,
        last_save_ok=True,
        last_save_at=ago(minutes=5),
        evicted_keys=0,
        clients=8,
        clock=NOW,
    )
    return replace(base, **changes)


def job(name: str = UPSERT_JOB.name, **changes: Any) -> JobHealth:
    base = JobHealth(
        name=name,
        last_started_at=ago(seconds=21),
        last_success_at=ago(seconds=20),
        last_finished_at=ago(seconds=20),
        last_outcome="succeeded",
        last_error=None,
        watermark=ago(minutes=3),
        cursor=None,
        paused=False,
        rows=150,
        tokens_spent=5,
    )
    return replace(base, **changes)


def jobs(*others: JobHealth) -> tuple[JobHealth, ...]:
    """All three jobs in order, ``others`` instead of those of the same name."""
    named = {j.name: j for j in (job(), job(BACKFILL_JOB.name), job(MAINTENANCE_JOB.name))}
    named |= {j.name: j for j in others}
    return tuple(named.values())


def deals(live: int = 450, stale: int = 3, ended: int = 20) -> DealsHealth:
    quarter = timedelta(minutes=15)
    return DealsHealth(live, stale, ended, tuple((quarter * i, live if i == 1 else 0) for i in (1, 2, 3, 4)))


def search(name: str = "books", number: int = 1, **changes: Any) -> SearchHealth:
    """A search that is read, with a plan that suffices; ``plan`` replaces parts of that."""
    kind, plan = CsvType.NEW, changes.pop("plan", {})
    query = {"domainId": number, "priceTypes": [int(kind)], "dateRange": 3, "page": 0}
    base = Search(
        id=number,
        is_first=number == 1,
        name=name,
        query=query,
        weight=5,
        fresh_minutes=None,
        state=SearchState.ACTIVE,
        owner=SearchOwner.FILE,
        changed_at=ago(days=1),
        watermark=None,
        cursor=None,
        crawl=None,
        file_problem=None,
        error=None,
        error_at=None,
        tokens_spent=900,
        hour_at=NOW,
        tokens_this_hour=90,
        tokens_last_hour=90,
    )
    made = replace(Plan(450, 450, 3, 100, 300, MINUTE, planned=120), **plan)
    return SearchHealth(replace(base, **changes), made, 60 * MINUTE, 450, ago(minutes=50), 90)


def alerts(**changes: Any) -> AlertsHealth:
    """Alerts of which nothing is late."""
    none: dict[str, Any] = {
        "active": 0,
        "changes": 0,
        "oldest_change_at": None,
        "waiting": 0,
        "oldest_due_at": None,
        "failing": (),
        "given_up": 0,
        "looked_at": ago(seconds=2),
    }
    return AlertsHealth(**{**none, **changes})


def healthy(**parts: Any) -> HealthReport:
    """A report of a service in order; each keyword replaces a part (a value, or a ``Reading``)."""
    base: dict[str, Any] = {
        "redis": redis_health(),
        "tokens": TokenHealth(40, 20, 1200, ago(seconds=20)),
        "locks": (LockHealth("update_recent_deals_lock"), LockHealth("backfill_deals_lock")),
        "queues": (QueueHealth("upsert", 0, None), QueueHealth("backfill", 0, None)),
        "beat": ago(seconds=2),
        "database": DatabaseHealth("sqlite", "0001", "0001", 1_000_000),
        "jobs": jobs(),
        "deals": deals(),
        "flow": FlowHealth({}, 0, 0),
        "host": HostHealth(50 << 30, 100 << 30, 1_000_000, 8 << 30, 16 << 30),
        "keepa": Answers({}, {}, {}, {}),
        "history": HistoryHealth(ago(hours=5), ago(seconds=30), (), (), ()),
        "alerts": alerts(),
        "searches": (search(),),
        "seller": SellerHealth(ago(days=9), ago(minutes=1), known=120),
    }
    readings = {
        name: value if isinstance(value, Reading) else Reading(value=value)
        for name, value in {**base, **parts}.items()
    }
    return HealthReport(taken_at=NOW, readings=readings, behind_after=6 * MINUTE)
