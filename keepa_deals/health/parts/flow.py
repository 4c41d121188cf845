"""Which deals came and went in the last hours, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, case, func, select

from keepa_deals.db.models import DealEvent
from keepa_deals.health.metric import AnyMetric, gauges
from keepa_deals.health.part import Json, Part, Snapshot

FLOW_HOURS = 6
ARRIVALS = ("found", "present", "returned", "live_again")
"""The changes of state that bring a deal to the live list; all others take it off."""


@dataclass(frozen=True, slots=True)
class FlowHealth:
    """Changes of state: (kind, reason or ``None``) → how many deals. The balance is that of the last hour."""

    last_hour: Mapping[tuple[str, str | None], int]
    arrivals: int
    departures: int
    hours: tuple[Mapping[tuple[str, str | None], int], ...] = ()
    """The same for each of the last hours, the last one first."""


def read(engine: Engine, now: datetime) -> FlowHealth:
    """Which changes of state each of the last hours saw, and how often; the last hour first."""
    ages = [(DealEvent.at > now - timedelta(hours=hour), hour - 1) for hour in range(1, FLOW_HOURS + 1)]
    hour = case(*ages).label("hour")
    query = (
        select(hour, DealEvent.kind, DealEvent.reason, func.count())
        .where(DealEvent.at > now - timedelta(hours=FLOW_HOURS), DealEvent.at <= now)
        .group_by(hour, DealEvent.kind, DealEvent.reason)
    )
    hours: list[dict[tuple[str, str | None], int]] = [{} for _ in range(FLOW_HOURS)]
    with engine.connect() as connection:
        for number, kind, reason, count in connection.execute(query):
            hours[number][kind.value, reason.value if reason else None] = count
    arrivals, departures = balance(hours[0])
    return FlowHealth(hours[0], arrivals, departures, tuple(hours))


def balance(changes: Mapping[tuple[str, str | None], int]) -> tuple[int, int]:
    """How many deals came to the live list, and how many left it."""
    arrivals = sum(n for (kind, _), n in changes.items() if kind in ARRIVALS)
    return arrivals, sum(changes.values()) - arrivals


def _to_json(snapshot: Snapshot) -> Json:
    flow = snapshot.value(PART)
    if flow is None:
        empty: Json = {"arrivals_last_hour": None, "departures_last_hour": None, "last_hour": [], "hours": []}
        return {"flow": empty}
    return {
        "flow": {
            "arrivals_last_hour": flow.arrivals,
            "departures_last_hour": flow.departures,
            "last_hour": _changes(flow.last_hour),
            "hours": [_changes(changes) for changes in flow.hours],
        }
    }


def _changes(changes: Mapping[tuple[str, str | None], int]) -> list[Json]:
    return [{"kind": k, "reason": r, "deals": n} for (k, r), n in sorted(changes.items(), key=str)]


def _metrics(snapshot: Snapshot) -> Iterator[AnyMetric]:
    flow = snapshot.value(PART)
    if flow is None:
        return
    yield from gauges(
        "changes_last_hour",
        "Changes of deals' states within the last hour, by why they ended",
        "kind reason",
        [((kind, reason or ""), n) for (kind, reason), n in sorted(flow.last_hour.items(), key=str)],
    )


PART: Part[FlowHealth] = Part("flow", lambda sources: read(sources.engine(), sources.now), _to_json, _metrics)
