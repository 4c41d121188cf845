"""Simulated deployments with several searches, one a marketplace: the figures of each by itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import select

from keepa_deals.db.models import Deal, DealEvent, JobState, SearchRow
from keepa_deals.db.session import Database
from keepa_deals.health.parts.searches import SearchHealth, read
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.ingest.upsert.state import SweepState, load_state
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.searches.search import search_of
from keepa_deals.searches.source import SearchSource
from tests.support.simulation.run import Deployment, Event, build, every, saturated_backfiller
from tests.support.simulation.truthfulness import Figures
from tests.support.worlds.door import Create, WorldError
from tests.support.worlds.many import Markets, markets


@dataclass(frozen=True)
class Wanted:
    """A search of a simulation: its marketplace, how many deals match it, and its weight."""

    domain_id: int
    deals: int
    weight: int = 5

    @property
    def name(self) -> str:
        return f"search {self.domain_id}"


@dataclass
class OneSearch(Deployment):
    """A deployment as far as one of its searches goes."""

    domain_id: int = 0

    def sweep_state(self) -> SweepState:
        with self.context.database.session() as session:
            row = session.scalars(select(SearchRow).where(SearchRow.domain_id == self.domain_id)).one()
            job = session.get(JobState, UPSERT_JOB.name)
            cursor = (job.cursor if job else None) if row.is_first else row.cursor
            return load_state(cursor or {}, search_of(row).query, self.clock.now())

    def shown(self) -> dict[str, int | None]:
        live_since = self.clock.now() - self.context.fresh_for
        query = select(Deal.asin, Deal.price).where(Deal.ended_at.is_(None), Deal.last_seen_at >= live_since)
        with self.context.database.session() as session:
            return dict(session.execute(query.where(Deal.domain_id == self.domain_id)).all())

    def events(self, after: int) -> list[Event]:
        columns = select(DealEvent.id, DealEvent.asin, DealEvent.at, DealEvent.kind, DealEvent.reason)
        mine = columns.where(DealEvent.id > after, DealEvent.domain_id == self.domain_id)
        with self.context.database.session() as session:
            rows = session.execute(mine.order_by(DealEvent.id)).all()
        return [Event(id_, asin, at.timestamp(), str(kind), reason) for id_, asin, at, kind, reason in rows]


def build_searches(
    client: redis.Redis,
    database: Database,
    folder: Path,
    wanted: Sequence[Wanted],
    *,
    create: Create,
    source: str,
    rate: int,
    hours: float,
    selection: Mapping[str, Any],
    seed: int = 1,
    options: Mapping[str, str] | None = None,
) -> Deployment:
    """A deployment whose searches are files of ``folder``, with an empty table."""
    for one in wanted:
        query = {**selection, "domainId": one.domain_id, "search": {"weight": one.weight}}
        (folder / f"{one.name}.json").write_text(json.dumps(query))
    deals = {one.domain_id: one.deals for one in wanted}
    deployment = build(
        client, database, create=markets(create, source, deals, options or {}), source=source,
        deals=sum(deals.values()), rate=rate, hours=hours, seed=seed,
        selection={**selection, "domainId": wanted[0].domain_id},
    )  # fmt: skip
    context = deployment.context
    settings = context.settings.model_copy(update={"keepa_deal_selection": folder})
    searches = SearchSource(settings, deployment.clock).follow_files
    deployment.context = dataclasses.replace(context, settings=settings, searches=searches)
    return deployment


@dataclass
class Found:
    """What came of one search."""

    wanted: Wanted
    figures: Figures
    health: SearchHealth
    upserter: int
    """The upserter's tokens an hour, over the second half of the time."""

    def to_json(self) -> dict[str, Any]:
        plan = self.health.plan
        return {
            "search": self.wanted.domain_id,
            "weight": self.wanted.weight,
            "deals": self.wanted.deals,
            **{name: value for name, value in self.figures.to_json().items() if name != "reasons"},
            "share": round(plan.share, 3) if plan else None,
            "limit": str(plan.limit) if plan and plan.limit else None,
            "planned": self.health.planned,
            "spent": self.upserter,
        }


def simulate_searches(
    deployment: Deployment, wanted: Sequence[Wanted], *, hours: float, settled: float
) -> list[Found]:
    """The whole deployment until its time is over; what came of each search."""
    inner = deployment.world.inner
    assert isinstance(inner, Markets)
    parts = [
        OneSearch(
            deployment.clock, inner.worlds[one.domain_id], deployment.context, deployment.redis,
            inner.traffic[one.domain_id], deployment.wire, one.domain_id,
        )
        for one in wanted
    ]  # fmt: skip
    figures = [Figures(part, settled, settled) for part in parts]
    halfway: dict[int, int] = {}

    def each_minute() -> None:
        maintenance.run(deployment.context)
        try:
            for one in figures:
                one.look()
        except WorldError as error:
            deployment.clock.fail(error)
        if not halfway and deployment.clock.monotonic() >= 1800 * hours:
            halfway.update((part.domain_id, part.traffic.of("upserter")) for part in parts)

    deployment.clock.run(
        upserter=every(
            deployment, deployment.context.settings.upsert_interval_seconds,
            lambda: upsert.run(deployment.context),
        ),
        backfiller=saturated_backfiller(deployment),
        maintenance=every(deployment, 60, each_minute),
    )  # fmt: skip
    context = deployment.context
    health = {
        one.search.domain_id: one
        for one in read(context.database.engine, deployment.clock.now(), context.fresh_for)
    }
    return [
        Found(
            one, figure, health[one.domain_id],
            round((part.traffic.of("upserter") - halfway.get(part.domain_id, 0)) / (hours / 2)),
        )
        for one, figure, part in zip(wanted, figures, parts, strict=True)
    ]  # fmt: skip
