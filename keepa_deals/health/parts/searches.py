"""The searches: what each matches, keeps and costs, and why one is not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, JobState, SearchState
from keepa_deals.health.error_text import redact
from keepa_deals.health.metric import AnyMetric, gauges
from keepa_deals.health.part import Json, Part, Snapshot, Sources
from keepa_deals.humanize import iso
from keepa_deals.ingest.upsert.budget import Plan
from keepa_deals.ingest.upsert.state import plan_of
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.searches import registry
from keepa_deals.searches.search import Search

REFUSED = "refused"
"""The state of an active search whose query Keepa refuses."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SearchHealth:
    """One search at a moment. ``plan`` is ``None`` before it has one; ``window`` is what that is about."""

    search: Search
    plan: Plan | None
    window: timedelta
    live: int
    oldest_seen_at: datetime | None
    """When the live deal was last seen that waits longest."""
    spent: int
    """Tokens within an hour."""

    @property
    def name(self) -> str:
        return self.search.name

    @property
    def state(self) -> str:
        is_refused = self.search.state is SearchState.ACTIVE and self.search.error is not None
        return REFUSED if is_refused else str(self.search.state)

    @property
    def error(self) -> str | None:
        """What is wrong with its query, in Keepa's words, or with its file."""
        told = self.search.error or self.search.file_problem
        return redact(told) if told else None

    @property
    def planned(self) -> int | None:
        """Tokens an hour that its plan spends."""
        return None if self.plan is None else round(self.plan.planned * (_HOUR / self.window))

    @property
    def needed_a_minute(self) -> float | None:
        """Tokens a minute that would keep all of it."""
        minutes = self.window / timedelta(minutes=1)
        return None if self.plan is None else round(self.plan.needed / minutes, 1)

    def to_json(self) -> Json:
        plan, search = self.plan, self.search
        return {
            "id": search.id,
            "name": search.name,
            "domain_id": search.domain_id,
            "price_type": int(search.price_type),
            "state": self.state,
            "owner": str(search.owner),
            "weight": search.weight,
            "fresh_minutes": round(self.window / timedelta(minutes=1)),
            "matching": plan.matching if plan else None,
            "kept": plan.kept if plan else None,
            "live": self.live,
            "oldest_seen_at": iso(self.oldest_seen_at),
            "tokens_per_hour_planned": self.planned,
            "tokens_per_hour_spent": self.spent,
            "tokens_per_minute_needed": self.needed_a_minute,
            "limit": str(plan.limit) if plan and plan.limit else None,
            "error": self.error,
        }


def read(engine: Engine, now: datetime, fresh_for: timedelta) -> tuple[SearchHealth, ...]:
    """Every search, in the order in which they were made."""
    with Session(engine) as session:
        searches = registry.all_searches(session)
        job = session.get(JobState, UPSERT_JOB.name)
        live = _live(session, searches, now - fresh_for)
    made = _maker(job.cursor if job else None, live, now, fresh_for)
    return tuple(made(search) for search in searches)


def _maker(
    cursor: Mapping[str, Any] | None,
    live: Mapping[int, tuple[int, datetime | None]],
    now: datetime,
    fresh_for: timedelta,
) -> Callable[[Search], SearchHealth]:
    def made(search: Search) -> SearchHealth:
        minutes = search.fresh_minutes
        window = fresh_for if minutes is None else min(fresh_for, timedelta(minutes=minutes))
        count, oldest = live.get(search.domain_id, (0, None))
        plan = plan_of(cursor if search.is_first else search.cursor)
        return SearchHealth(search, plan, window, count, oldest, search.tokens_within_an_hour(now))

    return made


def _live(
    session: Session, searches: Sequence[Search], since: datetime
) -> dict[int, tuple[int, datetime | None]]:
    """By marketplace: how many deals are live, and when the first of them was last seen.

    A single search has them all: the index tells, without a look at the rows.
    """
    columns = func.count(), func.min(Deal.last_seen_at)
    is_live = Deal.ended_at.is_(None), Deal.last_seen_at >= since
    if len(searches) == 1:
        count, oldest = session.execute(select(*columns).where(*is_live)).one()
        return {searches[0].domain_id: (count, oldest)}
    by_domain = select(Deal.domain_id, *columns).where(*is_live).group_by(Deal.domain_id)
    return {domain: (count, oldest) for domain, count, oldest in session.execute(by_domain)}


def _read(sources: Sources) -> tuple[SearchHealth, ...]:
    return read(sources.engine(), sources.now, sources.settings.fresh_for)


def searches_in(snapshot: Snapshot) -> tuple[SearchHealth, ...]:
    """The searches; none where they could not be read."""
    return snapshot.value(PART) or ()


def _to_json(snapshot: Snapshot) -> Json:
    return {"searches": [search.to_json() for search in searches_in(snapshot)]}


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    searches = searches_in(snapshot)

    def by_name(value: Callable[[SearchHealth], float | None]) -> list[tuple[str, float]]:
        told = ((search.name, value(search)) for search in searches)
        return [(name, number) for name, number in told if number is not None]

    figures: tuple[tuple[str, str, Callable[[SearchHealth], float | None]], ...] = (
        ("search_live", "Live deals of a search", lambda s: s.live),
        ("search_matching", "Deals that match a search", lambda s: s.plan.matching if s.plan else None),
        ("search_kept", "Deals of a search that are kept fresh", lambda s: s.plan.kept if s.plan else None),
        ("search_refused", "1 while Keepa refuses a search's query", lambda s: float(s.state == REFUSED)),
        ("search_tokens_planned", "Tokens an hour that a search's plan spends", lambda s: s.planned),
        ("search_tokens_spent", "Tokens that a search cost within an hour", lambda s: s.spent),
    )
    for name, text, value in figures:
        yield from gauges(name, text, "search", by_name(value))


PART: Part[tuple[SearchHealth, ...]] = Part("searches", _read, _to_json, _metrics)
