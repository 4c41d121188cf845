"""The deals: how many are live, stale and ended, and how long ago the live ones were seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Engine, case, func, select

from keepa_deals.db.models import Deal
from keepa_deals.health.metric import AnyMetric, gauges
from keepa_deals.health.part import Json, Part, Snapshot, Sources

AGE_EDGES = (0.25, 0.5, 0.75, 1.0)
"""Edges of the age histogram as parts of the time for which a deal stays live."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DealsHealth:
    """How many deals are live, stale and ended, and what becomes stale when nobody looks."""

    live: int
    stale: int
    ended: int
    ages: tuple[tuple[timedelta, int], ...]
    """Live deals by time since last seen: (upper edge, how many between the edge before and it)."""

    @property
    def total(self) -> int:
        """The deals, whatever their state."""
        return self.live + self.stale + self.ended

    def stale_within(self, horizon: timedelta) -> int:
        """Live deals that turn stale within ``horizon`` unless they are seen again (by whole edges)."""
        if not self.ages:
            return 0
        fresh_for = self.ages[-1][0]
        edges = [timedelta(0), *(edge for edge, _ in self.ages)]
        return sum(n for i, (_, n) in enumerate(self.ages) if edges[i] >= fresh_for - horizon)


def read(engine: Engine, now: datetime, fresh_for: timedelta) -> DealsHealth:
    """The deals by state and the live ones by age, out of the indices of open and of ended deals."""
    going = Deal.ended_at.is_(None)
    edges = [fresh_for * part for part in AGE_EDGES]
    seen, newer = Deal.last_seen_at, [Deal.last_seen_at >= now - edge for edge in edges]
    columns = [_count(newer[-1]), _count(seen < now - fresh_for), *map(_count, newer)]
    with engine.connect() as connection:
        by_seen = select(*columns).where(going, seen > _LONG_AGO)  # or SQLite takes an index without it
        live, stale, *cumulative = connection.execute(by_seen).one()
        ended = connection.scalar(select(func.count()).select_from(Deal).where(~going)) or 0
    ages = [after - before for before, after in zip([0, *cumulative], cumulative, strict=False)]
    return DealsHealth(live, stale, ended, tuple(zip(edges, ages, strict=True)))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _read(sources: Sources) -> DealsHealth:
    return read(sources.engine(), sources.now, sources.settings.fresh_for)


def _to_json(snapshot: Snapshot) -> Json:
    deals = snapshot.value(PART)
    if deals is None:
        return {"deals": {"live": None, "stale": None, "ended": None, "ages": []}}
    ages = [{"up_to_seconds": int(edge.total_seconds()), "deals": n} for edge, n in deals.ages]
    return {"deals": {"live": deals.live, "stale": deals.stale, "ended": deals.ended, "ages": ages}}


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    if deals := snapshot.value(PART):
        counts = [("live", deals.live), ("stale", deals.stale), ("ended", deals.ended)]
        yield from gauges("deals", "Deals by status", "status", counts)


PART: Part[DealsHealth] = Part("deals", _read, _to_json, _metrics)
