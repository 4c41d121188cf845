"""Views with names: those that come with the dashboard, and those that readers saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, func, select

from keepa_deals.db.models import OwnView, SavedView
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import parse_query


@dataclass(frozen=True, slots=True)
class NamedView:
    """A view with its name. ``builtin`` ones come with the dashboard and stay; ``own`` ones only their person
    sees; the others are shared."""

    name: str
    query: str
    builtin: bool = False
    own: bool = False

    @property
    def key(self) -> str:
        """Tells it from a view of the same name of another kind."""
        return f"own {self.name}" if self.own else self.name


BUILTIN = (
    NamedView("Newest", "", True),
    NamedView("Biggest drops today", "interval=day&sort=discount_day", True),
    NamedView("Best ROI", "profit_min=1.00&sort=roi", True),
    NamedView("Sells fast", "sold_min=100&sort=sold", True),
    NamedView("Lowest ever", "lowest=ever", True),
    NamedView("Back in stock", "back_in_stock=1", True),
)


def read_named_views(connection: Connection, person_id: int | None) -> Sequence[NamedView]:
    """The views that come with the dashboard, then by name the shared ones and those of the person."""
    table, own = SavedView.__table__.c, OwnView.__table__.c
    rows = connection.execute(select(table.name, table.query).order_by(func.lower(table.name), table.name))
    shared = [NamedView(row.name, row.query) for row in rows if is_view(row.name, row.query)]
    if person_id is None:
        return (*BUILTIN, *shared)
    mine = select(own.name, own.query).where(own.person_id == person_id)
    rows = connection.execute(mine.order_by(func.lower(own.name), own.name))
    kept = [NamedView(row.name, row.query, own=True) for row in rows if is_view(row.name, row.query)]
    return (*BUILTIN, *shared, *kept)


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
