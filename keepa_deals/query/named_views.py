"""Views with names: those that come with the dashboard, and those that readers saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, func, select

from keepa_deals.db.models import SavedView
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import parse_query


@dataclass(frozen=True, slots=True)
class NamedView:
    """A view with its name; ``builtin`` ones come with the dashboard and stay."""

    name: str
    query: str
    builtin: bool = False


BUILTIN = (
    NamedView("Newest", "", True),
    NamedView("Biggest drops today", "interval=day&sort=discount_day", True),
    NamedView("Best ROI", "profit_min=1.00&sort=roi", True),
    NamedView("Sells fast", "sold_min=100&sort=sold", True),
    NamedView("Lowest ever", "lowest=ever", True),
    NamedView("Back in stock", "back_in_stock=1", True),
)


def read_named_views(connection: Connection) -> Sequence[NamedView]:
    """The views that come with the dashboard, then the saved ones by name."""
    table = SavedView.__table__.c
    rows = connection.execute(select(table.name, table.query).order_by(func.lower(table.name), table.name))
    return (*BUILTIN, *(NamedView(row.name, row.query) for row in rows if is_view(row.name, row.query)))


def is_view(name: object, query: object) -> bool:
    """Whether a saved view can still be shown: a filter of an older version, or a damaged row, may not be."""
    return isinstance(name, str) and isinstance(query, str) and _can_be_parsed(query)


@lru_cache(maxsize=256)
def _can_be_parsed(query: str) -> bool:
    try:
        parse_query(query, domain_id=1)
    except ParameterError:
        return False
    return True
