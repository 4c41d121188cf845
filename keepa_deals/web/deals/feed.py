"""A view as an Atom feed (RFC 4287): its first page, an entry a deal."""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree import ElementTree as Xml

from flask import Blueprint, Response, request, url_for

from keepa_deals.deals.freshness import AsOf
from keepa_deals.query.intervals import Interval
from keepa_deals.query.rows import DealRow
from keepa_deals.query.view import View
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals import row as deal_row
from keepa_deals.web.deals.request import requested_view
from keepa_deals.web.format import iso, number
from keepa_deals.web.services import current_services

blueprint = Blueprint("feed", __name__)

NAMESPACE = "http://www.w3.org/2005/Atom"
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Xml.register_namespace("", NAMESPACE)


@blueprint.get("/feed.atom")
def atom() -> Response:
    """The newest or best deals of a view, whatever its order puts first."""
    services = current_services()
    view, as_of = requested_view(services), services.as_of()
    with services.reading(as_of, current_person().id) as reader:
        rows = reader.page(view).rows
    feed = _feed(view, [_updated(row) for row in rows], as_of)
    for row in rows:
        feed.append(_entry(row, as_of))
    body = Xml.tostring(feed, encoding="utf-8", xml_declaration=True)
    return Response(body, content_type="application/atom+xml; charset=utf-8")


def _feed(view: View, changes: list[datetime], as_of: AsOf) -> Xml.Element:
    """The feed without entries. It was updated when its newest entry was, so that it stays the same."""
    own = f"{request.url_root}feed.atom?{view.query()}"
    title = f"Deals: {view.query()}" if view.query() else "Deals"
    return root_of(own, f"{request.url_root}?{view.query()}", title, max(changes, default=as_of.now))


def root_of(own: str, page: str, title: str, updated: datetime) -> Xml.Element:
    """A feed without entries, at the address ``own``, of a page."""
    feed = element("feed")
    add(feed, "id", own)
    add(feed, "title", title)
    add(feed, "updated", iso(updated))
    add(feed, "link", None, rel="self", href=own, type="application/atom+xml")
    add(feed, "link", None, rel="alternate", href=page, type="text/html")
    add(Xml.SubElement(feed, _name("author")), "name", "keepa_deals")
    return feed


def element(name: str) -> Xml.Element:
    return Xml.Element(_name(name))


def _updated(row: DealRow) -> datetime:
    """When anything of the entry last changed; never before it was published (RFC 4287)."""
    moments: tuple[datetime, datetime] = (row.changed_at, row.found_at)
    return max(moments)


def _entry(row: DealRow, as_of: AsOf) -> Xml.Element:
    deal = deal_row.shown(row, as_of)
    change = deal_row.change(row, Interval.DAYS_90)
    entry = element("entry")
    add(entry, "id", f"urn:keepa-deals:{row.domain_id}:{row.asin}")  # of the deal, whatever becomes of it
    add(entry, "title", f"{deal.title_text} – {deal.money(row.price)}")
    add(entry, "published", iso(row.found_at))
    add(entry, "updated", iso(_updated(row)))
    address = url_for("detail_page.deal", domain_id=row.domain_id, asin=row.asin, _external=True)
    add(entry, "link", None, rel="alternate", href=address, type="text/html")
    add(entry, "link", None, rel="related", href=deal.amazon_url)
    if row.category_name:
        add(entry, "category", None, term=row.category_name)
    parts = (
        f"{deal.money(row.price)}, 90-day average {deal.money(row.price_avg_90)} ({change.percent_text})",
        f"rank {number(row.sales_rank)}",
        f"price since {iso(row.deal_created_at)}",
        f"profit {deal.money(row.profit)}",
        f"{deal.status}, seen at {iso(row.last_seen_at)}",
    )
    add(entry, "summary", " · ".join(parts), type="text")
    return entry


def add(parent: Xml.Element, name: str, text: str | None, **attributes: str) -> None:
    """An element with escaped text, without the characters that XML can't hold."""
    element = Xml.SubElement(parent, _name(name), {key: _clean(value) for key, value in attributes.items()})
    element.text = _clean(text) if text is not None else None


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)
