"""Which deals somebody is likely to open: only these are asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from keepa_deals.db.models import Alert, AlertMemory, AlertState, Deal, DealMark, OwnView, SavedView
from keepa_deals.deals.freshness import AsOf
from keepa_deals.query.database import DealTable
from keepa_deals.query.filters.flags import MAY_SELL
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.named_views import BUILTIN, NamedView, is_view
from keepa_deals.query.parse import parse_query

ALERTED_WITHIN = timedelta(days=2)
MAX_ALERTED = 500
MAX_STARRED = 500
MAX_VIEWS = 40
_CHUNK = 500
"""ASINs of one query."""


class Candidate(NamedTuple):
    """A deal as far as Amazon is asked about it."""

    domain_id: int
    asin: str
    price_type: int
    sell_price: int | None
    may_sell: int | None


_T = Deal.__table__.c
_ROWS = select(*(_T[name] for name in Candidate._fields))


def alerted(connection: Connection, now: datetime) -> Sequence[tuple[int, str]]:
    """Deals that people were told of, the last first."""
    told = AlertMemory.__table__.c
    query = select(told.domain_id, told.asin).where(told.told_at >= now - ALERTED_WITHIN)
    rows = connection.execute(query.order_by(told.told_at.desc()).limit(MAX_ALERTED))
    return list(dict.fromkeys((row.domain_id, row.asin) for row in rows))


def starred(connection: Connection) -> Sequence[tuple[int, str]]:
    """Deals that readers have starred, the last first."""
    marks = DealMark.__table__.c
    query = select(marks.domain_id, marks.asin).where(marks.starred_at.is_not(None))
    rows = connection.execute(query.order_by(marks.starred_at.desc()).limit(MAX_STARRED))
    return list(dict.fromkeys((row.domain_id, row.asin) for row in rows))


def views(connection: Connection) -> Sequence[str]:
    """The queries that people look at, or let alerts look at: of named views, and of alerts that are on."""
    tables = (SavedView.__table__.c, OwnView.__table__.c)
    named = [select(table.name, table.query).order_by(table.created_at) for table in tables]
    watched = Alert.__table__.c
    named.append(select(watched.name, watched.query).where(watched.state == AlertState.ACTIVE))
    saved = [NamedView(name, query) for each in named for name, query in connection.execute(each)]
    usable = [view.query for view in (*BUILTIN, *saved) if is_view(view.name, view.query)]
    return list(dict.fromkeys(usable))[:MAX_VIEWS]


def first_page(connection: Connection, query: str, as_of: AsOf, domain_id: int) -> Iterator[tuple[int, str]]:
    """The deals on a view's first page, also where it shows those alone that may be sold: the unknown ones
    must become known."""
    view = parse_query(query, domain_id=domain_id)
    if view.value_of(MAY_SELL) is not None:
        view = view.having(MAY_SELL, None)
    places = DealTable(connection, as_of, LeftOut()).places(view, None)
    yield from (place.key for place in places[: view.limit])


def candidates(connection: Connection, keys: Sequence[tuple[int, str]]) -> Sequence[Candidate]:
    """The open deals among these, in their order."""
    found: dict[tuple[int, str], Candidate] = {}
    for domain in dict.fromkeys(domain for domain, _ in keys):
        asins = sorted({asin for its_domain, asin in keys if its_domain == domain})
        for start in range(0, len(asins), _CHUNK):
            some = asins[start : start + _CHUNK]
            query = _ROWS.where(_T.domain_id == domain, _T.asin.in_(some), _T.ended_at.is_(None))
            found |= {(row.domain_id, row.asin): Candidate(*row) for row in connection.execute(query)}
    return [found[key] for key in dict.fromkeys(keys) if key in found]
