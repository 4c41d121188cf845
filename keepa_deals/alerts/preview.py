"""What an alert would have sent lately, from what is recorded of that time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, union

from keepa_deals.alerts.candidates import Key, read_candidates
from keepa_deals.alerts.evaluate import ActiveAlert, tidings_of
from keepa_deals.alerts.rules import Rule
from keepa_deals.db.models import DealEvent, DealPoint
from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import Marks
from keepa_deals.query.view import View

LATELY = timedelta(hours=24)
MAX_DEALS = 20_000
"""Deals that are looked at; of more, the newest."""
_NOBODY = 0
"""No alert has this number: it has told nothing yet."""


def would_have_told(connection: Connection, view: View, rule: Rule, as_of: AsOf, marks: Marks) -> int:
    """Of how many deals an alert of whoever made these marks would have spoken in the last 24 hours."""
    since = as_of.now - LATELY
    candidates = read_candidates(connection, _changed(connection, since), as_of)
    return len(tidings_of(connection, ActiveAlert(_NOBODY, view, rule, since, (), marks), candidates))


def _changed(connection: Connection, since: datetime) -> list[Key]:
    """The deals to which something happened since then."""
    events = select(DealEvent.domain_id, DealEvent.asin).where(DealEvent.at >= since)
    points = select(DealPoint.domain_id, DealPoint.asin).where(DealPoint.at >= since)
    rows = connection.execute(union(events, points).limit(MAX_DEALS))
    return [(domain_id, asin) for domain_id, asin in rows]
