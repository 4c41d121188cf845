"""What an alert told, as an Atom feed: for those who want no message."""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree as Xml

from flask import Blueprint, Response, abort, request, url_for
from sqlalchemy import select

from keepa_deals.alerts import book
from keepa_deals.alerts.book import NotThereError
from keepa_deals.db.models import Alert, AlertMemory
from keepa_deals.deals.freshness import AsOf
from keepa_deals.query.rows import DealRow
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals import row as deal_row
from keepa_deals.web.deals.feed import add, element, root_of
from keepa_deals.web.format import iso
from keepa_deals.web.services import current_services

blueprint = Blueprint("alert_feed", __name__)

ENTRIES = 50


@blueprint.get("/alerts/<int:number>.atom")
def atom(number: int) -> Response:
    """The deals that an alert told of last, the newest first; one entry each time it told of a deal."""
    services = current_services()
    as_of = services.as_of()
    with services.database.session() as session:
        try:
            alert = book.owned(session, Alert, current_person().id, number)
        except NotThereError:
            abort(404)
        told = session.scalars(
            select(AlertMemory)
            .where(AlertMemory.alert_id == number)
            .order_by(AlertMemory.told_at.desc(), AlertMemory.asin)
            .limit(ENTRIES)
        ).all()
    with services.reading(as_of, current_person().id) as reader:
        rows = {(r.domain_id, r.asin): r for r in reader.rows([(one.domain_id, one.asin) for one in told])}
    own = f"{request.url_root}alerts/{number}.atom"
    updated = max((one.told_at for one in told), default=alert.created_at)
    feed = root_of(own, f"{request.url_root}alerts", f"Alert: {alert.name}", updated)
    for one in told:
        row = rows.get((one.domain_id, one.asin))
        if row is not None:
            feed.append(_entry(row, number, one.told_at, as_of))
    body = Xml.tostring(feed, encoding="utf-8", xml_declaration=True)
    return Response(body, content_type="application/atom+xml; charset=utf-8")


def _entry(row: DealRow, number: int, told_at: datetime, as_of: AsOf) -> Xml.Element:
    deal = deal_row.shown(row, as_of)
    entry = element("entry")
    moment = int(told_at.timestamp())
    add(entry, "id", f"urn:keepa-deals:alert:{number}:{row.domain_id}:{row.asin}:{moment}")
    add(entry, "title", f"{deal.title_text} – {deal.money(row.price)}")
    add(entry, "published", iso(told_at))
    add(entry, "updated", iso(told_at))
    address = url_for("detail_page.deal", domain_id=row.domain_id, asin=row.asin, _external=True)
    add(entry, "link", None, rel="alternate", href=address, type="text/html")
    add(entry, "link", None, rel="related", href=deal.amazon_url)
    words = f"90-day average {deal.money(row.price_avg_90)} · profit {deal.money(row.profit)} · {deal.status}"
    add(entry, "summary", words, type="text")
    return entry
