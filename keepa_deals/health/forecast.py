"""How many deals will be live: when nobody looks any more, and when the last hour goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keepa_deals.health.part import Json
from keepa_deals.health.parts.deals import DealsHealth
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.history import LOOK_BACK, HistoryHealth

FORECAST_HOURS = 4


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many deals will be live: when nobody looks any more, and when the last hour goes on."""

    unattended: tuple[tuple[timedelta, int], ...]
    expected: tuple[tuple[int, int], ...]
    """(hours from now, live deals); empty before there is a whole hour to go by."""


def forecast(
    deals: DealsHealth | None, flow: FlowHealth | None, history: HistoryHealth | None, now: datetime
) -> Forecast | None:
    """How many deals will be live if nobody looks any more, and if the last hour goes on."""
    if deals is None:
        return None
    unattended, left, newer = [], deals.live, [timedelta(0), *(edge for edge, _ in deals.ages)]
    for (_, count), younger_than in zip(reversed(deals.ages), reversed(newer[:-1]), strict=True):
        left -= count
        unattended.append((newer[-1] - younger_than, left))
    expected: tuple[tuple[int, int], ...] = ()
    whole_hour = history and history.first_run_at and history.first_run_at <= now - LOOK_BACK
    if flow is not None and whole_hour:
        change = flow.arrivals - flow.departures
        expected = tuple((h, max(0, deals.live + h * change)) for h in range(1, FORECAST_HOURS + 1))
    return Forecast(tuple(unattended), expected)


def to_json(forecast: Forecast | None) -> Json:
    """The key ``forecast`` of ``/api/status``."""
    if forecast is None:
        return {"unattended": [], "expected": []}
    return {
        "unattended": [
            {"in_seconds": int(wait.total_seconds()), "live": n} for wait, n in forecast.unattended
        ],
        "expected": [{"in_seconds": hours * 3600, "live": n} for hours, n in forecast.expected],
    }
