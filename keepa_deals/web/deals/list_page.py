"""One page of a view with everything around it: totals, categories, what a filter hides, the neighbours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import abort, request
from sqlalchemy import Connection
from werkzeug.datastructures import MultiDict

from keepa_deals.db import soundness
from keepa_deals.deals.price_history import Past, unpack
from keepa_deals.query import reader
from keepa_deals.query.cache.cache import Reading
from keepa_deals.query.cache.refresh import select_newest_event
from keepa_deals.query.cursor import Cursor, decode_cursor
from keepa_deals.query.reader import Category, DealRow, Moment
from keepa_deals.query.view import VIEW_PARAMETERS, Status, View, parse_view, reject_unknown
from keepa_deals.web.deals import saved_views
from keepa_deals.web.deals.row_cache import Line, lines
from keepa_deals.web.deals.saved_views import Named
from keepa_deals.web.services import Services

ASIN = re.compile(r"[A-Z0-9]{10}")
OLDEST_PAGE = timedelta(days=2)
"""A page that was left open for longer is told of the arrivals of this time."""


@dataclass(frozen=True, slots=True)
class Browse:
    """What the deals page shows."""

    view: View
    moment: Moment
    news_since: datetime
    """What happened later is not in it."""
    deals: Sequence[Line]
    total: int
    statuses: Mapping[Status, int | None]
    """How many deals of each status the view's other filters leave."""
    hidden: Mapping[str, int]
    categories: Sequence[Category]
    named: Sequence[Named]
    tallies: Mapping[str, int]
    """How many deals a named view has, by its query string, as far as it is known."""
    previous: str | None
    next: str | None


def arguments() -> dict[str, list[str]]:
    """The present request's parameters, each with all its values."""
    given: MultiDict[str, str] = request.args
    return {name: given.getlist(name) for name in given}


def requested_view(services: Services, *, strict: bool = False, extra: Sequence[str] = ()) -> View:
    """The view that the request asks for. ``strict`` (programs) refuses unknown and empty parameters."""
    given = arguments()
    if strict:
        reject_unknown(given, (*VIEW_PARAMETERS, *extra))
    return parse_view(given, domain_id=services.settings.keepa_domain_id, lenient=not strict)


def requested_cursor(view: View) -> Cursor | None:
    token = request.args.get("cursor")
    return decode_cursor(token, view.sort, view.order) if token is not None else None


def browse(services: Services, view: View, cursor: Cursor | None, since: datetime | None = None) -> Browse:
    """The page of ``view`` at ``cursor`` and what surrounds it; deals that came after ``since`` are new."""
    moment = services.moment()
    with services.reading() as reads:
        named = saved_views.read_all(reads.connection)
        newest = newest_event(reads, view, moment)
        statuses = count_statuses(reads, view, moment)  # first: the other questions look among its finds
        page = reader.read_page(reads, view, moment, cursor)
        return Browse(
            view=view,
            moment=moment,
            news_since=newest or moment.now - OLDEST_PAGE,
            deals=lines(page.rows, view, moment, since),
            total=statuses[view.status] or 0,
            statuses=statuses,
            hidden=reader.count_hidden(reads, view, moment),
            categories=reader.count_categories(reads, view, moment),
            named=named,
            tallies=tally(services, named, reads, moment),
            previous=page.previous.encode() if page.previous else None,
            next=page.next.encode() if page.next else None,
        )


def newest_event(reads: Reading, view: View, moment: Moment) -> datetime | None:
    """When the newest event happened that whoever answers about ``view`` knows; ``None`` when there is none.

    Asked before the deals: what comes later is news to whoever reads them. By the event and not by our own
    clock: its writer read a clock, perhaps another one, some time before it could write.
    """

    def of_database(connection: Connection) -> datetime | None:
        newest: datetime | None = connection.scalar(select_newest_event(moment.now))
        return newest

    return reads.ask(view, lambda look: look.newest_event, of_database)


def tally(services: Services, named: Sequence[Named], reads: Reading, moment: Moment) -> Mapping[str, int]:
    """How many deals the named views have."""
    queries = [one.query for one in named]
    return services.tallies.of(queries, reads, moment, services.settings.keepa_domain_id)


def count_statuses(reads: Reading, view: View, moment: Moment) -> dict[Status, int | None]:
    """How many deals of each status there are under the other filters of ``view``.

    Those of the view's own are counted whatever it takes, the others not (``None``) while it takes long.
    """
    if reads.replica is not None and reads.replica.is_catching_up:
        return {**dict.fromkeys(Status), view.status: reader.count(reads, view, moment)}
    live, stale, ended = reader.count_statuses(reads, view, moment)
    return {
        Status.LIVE: live,
        Status.STALE: stale,
        Status.ENDED: ended,
        Status.OPEN: live + stale,
        Status.ALL: live + stale + ended,
    }


@dataclass(frozen=True, slots=True)
class FoundDeal:
    """One deal with its recorded history (oldest first) and the events of its life (newest first)."""

    row: DealRow
    points: Sequence[Any]
    past: Past | None
    """What Keepa told of the 90 days before ``past_read_at``."""
    past_read_at: datetime | None
    events: Sequence[Any]
    moment: Moment


def requested_deal(services: Services, domain_id: int, asin: str) -> FoundDeal:
    """The deal that an address names; 404 when there is none."""
    if not 0 < domain_id < 100 or not ASIN.fullmatch(asin):
        abort(404, "There is no such deal: an address is /deals/<domain>/<ASIN>, like /deals/1/B000000000.")
    key, moment = (domain_id, asin), services.moment()
    with services.reading() as reads:
        row = reader.read_deal(reads, key)
        if row is None:
            abort(404, f"There is no deal {asin} of domain {domain_id}: it was never found here.")
        if not moment.left_out.readable([row]):
            abort(404, _unreadable(asin, row))
        points, events = reader.read_points(reads, key), reader.read_events(reads, key)
        told = reader.read_past(reads, row)
    past = _unpacked(told.packed) if told else None
    return FoundDeal(row, points, past, told.read_at if past else None, events, moment)


def _unreadable(asin: str, row: DealRow) -> str:
    problem = soundness.fault(row._mapping)
    return f"The deal {asin} can't be read, and is left out until its row in the table is mended: {problem}."


def _unpacked(packed: bytes) -> Past | None:
    """A history that can't be read is none: the page has more to say."""
    try:
        return unpack(packed)
    except ValueError:
        return None
