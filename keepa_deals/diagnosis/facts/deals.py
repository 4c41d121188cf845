"""The deals: live, stale, ended; their ages; what came and went; the forecast."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if
from keepa_deals.health.parts.flow import ARRIVALS


def lines(evidence: Evidence) -> Iterator[Line]:
    """Live, stale, ended; ages; arrivals and departures by hour and reason; the forecast."""
    deals = evidence.report.deals.value
    if deals is None:
        yield Line("deals", Level.UNKNOWN, str(evidence.report.deals.error))
        return
    total = deals.live + deals.stale
    level = warn_if(not deals.live or deals.stale > max(5, total // 50))
    yield Line("deals", level, f"{deals.live} live, {deals.stale} stale, {deals.ended} ended")
    ages = ", ".join(f"≤ {int(edge.total_seconds() // 60)} min {n}" for edge, n in deals.ages)
    yield Line("deals", Level.OK, f"live deals by time since last seen: {ages}")
    yield from _flow(evidence)
    yield from _forecast(evidence)


def _flow(evidence: Evidence) -> Iterator[Line]:
    flow = evidence.report.flow.value
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


def _forecast(evidence: Evidence) -> Iterator[Line]:
    forecast = evidence.report.forecast
    if forecast is None:
        return
    steps = ", ".join(f"{n} in {int(wait.total_seconds() // 60)} min" for wait, n in forecast.unattended)
    yield Line("deals", Level.OK, f"live if nobody looked any more: {steps}")
    if forecast.expected:
        hours = ", ".join(f"{n} in {h} h" for h, n in forecast.expected)
        yield Line("deals", Level.OK, f"live if it goes on as in the last hour: {hours}")
