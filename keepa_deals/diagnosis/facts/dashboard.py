"""The dashboard: whether it answers, and its count against the table's."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if


def lines(evidence: Evidence) -> Iterator[Line]:
    """Its count against the table's."""
    if evidence.dashboard.value is None:
        yield Line("dashboard", Level.WARN, f"does not answer: {evidence.dashboard.error}")
        return
    if not evidence.dashboard.value:
        yield Line("dashboard", Level.OK, "answers; its count is behind a password")
        return
    shown = (evidence.dashboard.value.get("deals") or {}).get("live")
    deals = evidence.report.deals.value
    if deals is None or shown is None:
        yield Line(
            "dashboard", Level.WARN, f"answers, shows {shown if shown is not None else 'no'} live deals"
        )
        return
    agrees = abs(shown - deals.live) <= max(5, deals.live // 20)
    yield Line("dashboard", warn_if(not agrees), f"shows {shown} live deals, the table has {deals.live}")
