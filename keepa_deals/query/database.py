"""What a view asks of the deals, answered by the database."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, cast, func, select, tuple_

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.deals.freshness import CLOCK_OVERLAP, AsOf
from keepa_deals.marks.marks import NO_MARKS, Marks
from keepa_deals.query.cursor import Cursor, Key, Place, seek_clauses
from keepa_deals.query.filters.base import Filter, NullableFilter
from keepa_deals.query.filters.marked import MARKED, Marked
from keepa_deals.query.filters.scope import CATEGORY, STATUS, Status
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.rows import DealRow
from keepa_deals.query.sorts import SORTS
from keepa_deals.query.view import View

_T = Deal.__table__.c
_ROWS = select(*(_T[name] for name in DealRow._fields))
_E = DealEvent.__table__.c

SEVERAL = "several"
"""Stands for a filter's name where it takes more than one to hide a deal for being unknown."""
StatusCounts = tuple[int, int, int]
"""Live, stale, ended."""
CategoryCount = tuple[int | None, str | None, int]
"""Number, name and count of a root category; the database may hold anything."""


def select_newest_event(now: datetime) -> Select[Any]:
    """When the newest event happened. One that a clock dated ahead would keep later ones from being news."""
    return select(func.max(_E.at)).where(_E.at <= now + CLOCK_OVERLAP)


class DealTable:
    """The table of deals at one moment, without the rows that can't be read."""

    def __init__(
        self, connection: Connection, as_of: AsOf, left_out: LeftOut, marks: Marks = NO_MARKS
    ) -> None:
        self._connection = connection
        self._as_of = as_of
        self._left_out = left_out
        self._marks = marks

    # -- conditions ----------------------------------------------------------------------------
    def conditions(self, view: View) -> list[ColumnElement[bool]]:
        """Everything that a deal of the view must fulfil, what costs least first."""
        chosen = sorted(view.conditions(), key=lambda pair: pair[0].cost)
        first, *others = (self._condition(each, value, view) for each, value in chosen if each.narrows)
        return [first, *self._readable(), *others]

    def _condition(self, each: Filter[Any], value: Any, view: View) -> ColumnElement[bool]:
        context = view.context(self._as_of, marks=self._marks)
        if view.include_unknown and isinstance(each, NullableFilter):
            return each.sql_or_unknown(value, context)
        return each.sql(value, context)

    def _readable(self) -> list[ColumnElement[bool]]:
        keys = self._left_out.noted()
        return [tuple_(_T.domain_id, _T.asin).not_in(keys)] if keys else []

    # -- the list ------------------------------------------------------------------------------
    def places(self, view: View, cursor: Cursor | None) -> list[Place]:
        """The places of a page and one more."""
        sort, wanted = SORTS[view.sort], view.limit + 1
        base = select(_T.domain_id, _T.asin, sort.column.label("value")).where(*self.conditions(view))
        places: list[Place] = []
        for seek in seek_clauses(sort, view.order, cursor):
            query = base if seek.where is None else base.where(seek.where)
            rows = self._connection.execute(query.order_by(*seek.order_by).limit(wanted - len(places)))
            places += [Place((domain_id, asin), value) for domain_id, asin, value in rows]
            if len(places) == wanted:
                break
        return places

    def rows(self, keys: Sequence[Key]) -> list[DealRow]:
        """The deals with these keys, in their order; one that is gone, or can't be read, is left out."""
        rows: dict[Key, Any] = {}
        for domain in {domain for domain, _ in keys}:  # not pairs IN pairs: SQLite would scan the table
            asins = [asin for its_domain, asin in keys if its_domain == domain]
            query = _ROWS.where(_T.domain_id == domain, _T.asin.in_(asins))
            rows |= {(row.domain_id, row.asin): row for row in self._connection.execute(query)}
        return self._left_out.readable([rows[key] for key in keys if key in rows])

    # -- counts --------------------------------------------------------------------------------
    def count(self, view: View) -> int:
        query = select(func.count()).select_from(Deal.__table__).where(*self.conditions(view))
        return int(self._connection.execute(query).scalar_one())

    def count_by_status(self, view: View) -> StatusCounts:
        live, stale, ended = (
            self.count(view.having(STATUS, status)) for status in (Status.LIVE, Status.STALE, Status.ENDED)
        )
        return live, stale, ended

    def count_hidden(self, view: View) -> dict[str, int]:
        """Of the deals that the view has with unknown values, those that it needs them for."""
        context = view.context(self._as_of, marks=self._marks)
        unknown = [(each.name, each.unknown_sql(value, context)) for each, value in view.nullable_filters()]
        times = functools.reduce(operator.add, (cast(condition, Integer) for _, condition in unknown))
        groups = [(name, and_(times == 1, condition)) for name, condition in unknown]
        groups.append((SEVERAL, times > 1))
        query = (
            select(*(func.sum(cast(group, Integer)) for _, group in groups))
            .select_from(Deal.__table__)
            .where(*self.conditions(view.with_unknown()), times > 0)
        )
        counts = self._connection.execute(query).one()
        return {name: int(n) for (name, _), n in zip(groups, counts, strict=True) if n}

    def count_put_aside(self, view: View) -> int:
        """How many deals the view would have if their reader had not hidden them."""
        return self.count(view.having(MARKED, Marked.HIDDEN))

    def count_categories(self, view: View) -> list[CategoryCount]:
        chosen = self.conditions(view.having(CATEGORY, None))
        columns = (_T.root_category, func.max(_T.category_name), func.count())
        query = select(*columns).where(*chosen).group_by(_T.root_category)
        return [(number, name, total) for number, name, total in self._connection.execute(query)]

    # -- events --------------------------------------------------------------------------------
    def newest_event(self) -> datetime | None:
        newest: datetime | None = self._connection.scalar(select_newest_event(self._as_of.now))
        return newest

    def count_arrived(self, view: View, since: datetime) -> int:
        """How many deals of the view were found, or came back, after ``since``."""
        came = select(func.count()).select_from(Deal.__table__).where(_T.found_at > since)
        return int(self._connection.execute(came.where(*self.conditions(view))).scalar_one())
