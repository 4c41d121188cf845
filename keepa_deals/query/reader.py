"""The dashboard's questions to the deals table. Each returns plain values; none of them writes."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    and_,
    cast,
    func,
    select,
    tuple_,
)

from keepa_deals.db import soundness
from keepa_deals.db.models import Deal, DealEvent, DealPast, DealPoint
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.query.cache import scan as copied
from keepa_deals.query.cache.cache import Reading
from keepa_deals.query.cache.columns import keys_at
from keepa_deals.query.cache.scan import Look
from keepa_deals.query.cache.top_rows import walk
from keepa_deals.query.cursor import Cursor, legs, stretches
from keepa_deals.query.filters.base import Context, Filter, NullableFilter
from keepa_deals.query.filters.scope import CATEGORY, STATUS, Status
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.sorts import SORTS
from keepa_deals.query.view import View

_T = Deal.__table__.c
_E = DealEvent.__table__.c
_P = DealPoint.__table__.c
_K = DealPast.__table__.c

T = TypeVar("T")
DealRow = Any
"""A row of ``deals`` with all its columns as attributes."""
Conditions = list[ColumnElement[bool]]
Key = tuple[int, str]
Reads = Connection | Reading
"""A database, or a database and its copy in memory."""


def _ask(reads: Reads, view: View, of_copy: Callable[[Look], T], of_database: Callable[[Connection], T]) -> T:
    """The answer to a question about a view: the copy's while there is one that can tell."""
    return reads.ask(view, of_copy, of_database) if isinstance(reads, Reading) else of_database(reads)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a view, and the places before its first and after its last row (``None`` at the ends)."""

    rows: Sequence[DealRow]
    previous: Cursor | None
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Moment:
    """When the question is asked, and since when a deal must have been seen to be live."""

    now: datetime
    fresh: timedelta
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)
    """The rows that can't be read."""

    @property
    def as_of(self) -> AsOf:
        return AsOf(self.now, self.fresh)

    @property
    def live_since(self) -> datetime:
        return self.now - self.fresh


# -- conditions ----------------------------------------------------------------------------------
def conditions(view: View, moment: Moment) -> Conditions:
    """Everything that a deal of the view must fulfil, what costs least first."""
    context = view.context(moment.as_of)
    chosen = sorted(view.conditions(), key=lambda pair: pair[0].cost)
    found = [_condition(each, value, context, view) for each, value in chosen if each.narrows]
    return [*found[:1], *_readable(moment), *found[1:]]


def _condition(each: Filter[Any], value: Any, context: Context, view: View) -> ColumnElement[bool]:
    if view.include_unknown and isinstance(each, NullableFilter):
        return each.sql_or_unknown(value, context)
    return each.sql(value, context)


def _readable(moment: Moment) -> Conditions:
    keys = moment.left_out.noted()
    return [tuple_(_T.domain_id, _T.asin).not_in(keys)] if keys else []


MOST_ROUNDS = 20
"""How often a page is asked for again because of rows that can't be read."""


# -- the list ------------------------------------------------------------------------------------
class Place(NamedTuple):
    """Where a deal stands in an order."""

    key: Key
    value: Any


def read_page(reads: Reads, view: View, moment: Moment, cursor: Cursor | None) -> Page:
    """The page of ``view`` at ``cursor``, the first one without.

    A row that can't be read is noted when it is met, and the page is asked for again without it.
    """
    for _ in range(MOST_ROUNDS):
        known = len(moment.left_out.noted())
        page = _page(reads, view, moment, read_places(reads, view, moment, cursor), cursor)
        if len(moment.left_out.noted()) == known:
            break
    return page


def read_places(reads: Reads, view: View, moment: Moment, cursor: Cursor | None) -> list[Place]:
    """The places of a page and one more."""
    sort = SORTS[view.sort]

    def of_copy(look: Look) -> list[Place]:
        left_out = moment.left_out.noted()
        wanted = view.limit + 1 + min(len(left_out), view.limit)
        found = walk(look.chosen(view, moment), sort, legs(sort, view.order, cursor), wanted)
        keys = keys_at([place for _, place in found])
        places = [Place(key, value) for key, (value, _) in zip(keys, found, strict=True)]
        return [place for place in places if place.key not in left_out][: view.limit + 1]

    return _ask(reads, view, of_copy, functools.partial(_places, view, moment, cursor))


def _places(view: View, moment: Moment, cursor: Cursor | None, connection: Connection) -> list[Place]:
    sort, wanted = SORTS[view.sort], view.limit + 1
    base = select(_T.domain_id, _T.asin, sort.column.label("value")).where(*conditions(view, moment))
    found: list[Place] = []
    for stretch in stretches(sort, view.order, cursor):
        query = base if stretch.where is None else base.where(stretch.where)
        rows = connection.execute(query.order_by(*stretch.order_by).limit(wanted - len(found)))
        found += [Place((domain_id, asin), value) for domain_id, asin, value in rows]
        if len(found) == wanted:
            break
    return found


def _page(reads: Reads, view: View, moment: Moment, places: list[Place], cursor: Cursor | None) -> Page:
    more = len(places) > view.limit
    rows = {(row.domain_id, row.asin): row for row in read_rows(reads, [p.key for p in places], moment)}
    places = [place for place in places[: view.limit] if place.key in rows]
    backwards = cursor is not None and cursor.backwards
    if backwards:
        places.reverse()
    has_previous = more if backwards else cursor is not None
    has_next = True if backwards else more
    return Page(
        [rows[place.key] for place in places],
        previous=cursor_at(view, places[0], backwards=True) if places and has_previous else None,
        next=cursor_at(view, places[-1]) if places and has_next else None,
    )


def cursor_at(view: View, place: Place, *, backwards: bool = False) -> Cursor:
    """The cursor after (``backwards``: before) a place."""
    return Cursor(view.sort, view.order, place.value, *place.key, backwards)


def read_rows(reads: Reads, keys: Sequence[Key], moment: Moment) -> list[DealRow]:
    """The deals with these keys, in their order; one that is gone, or can't be read, is left out."""
    if not keys:
        return []
    found: dict[Key, DealRow] = {}
    for domain in {domain for domain, _ in keys}:  # not pairs IN pairs: SQLite would scan the table
        asins = [asin for its_domain, asin in keys if its_domain == domain]
        query = select(Deal.__table__).where(_T.domain_id == domain, _T.asin.in_(asins))
        found |= {(row.domain_id, row.asin): row for row in reads.execute(query)}
    return moment.left_out.readable([found[key] for key in keys if key in found])


# -- the counts ----------------------------------------------------------------------------------
def count(reads: Reads, view: View, moment: Moment) -> int:
    """How many deals the view has in all."""

    def of_database(connection: Connection) -> int:
        query = select(func.count()).select_from(Deal.__table__).where(*conditions(view, moment))
        return int(connection.execute(query).scalar_one())

    return _ask(reads, view, lambda look: copied.count(look, view, moment), of_database)


def count_statuses(reads: Reads, view: View, moment: Moment) -> tuple[int, int, int]:
    """How many live, stale and ended deals there are under the other filters of ``view``."""

    def of_database(connection: Connection) -> tuple[int, int, int]:
        live, stale, ended = (
            count(connection, view.having(STATUS, status), moment)
            for status in (Status.LIVE, Status.STALE, Status.ENDED)
        )
        return live, stale, ended

    every = view.having(STATUS, Status.ALL)
    return _ask(reads, every, lambda look: copied.count_statuses(look, view, moment), of_database)


def count_hidden(reads: Reads, view: View, moment: Moment) -> dict[str, int]:
    """How many deals are hidden only because values are unknown: by each filter alone, and by ``SEVERAL``."""
    if view.include_unknown or not view.nullable_filters():
        return {}
    return _ask(
        reads,
        view,
        lambda look: copied.count_hidden(look, view, moment),
        functools.partial(_count_hidden, view, moment),
    )


def _count_hidden(view: View, moment: Moment, connection: Connection) -> dict[str, int]:
    """Of the deals that the view has with unknown values, those that it needs them for."""
    context = view.context(moment.as_of)
    unknown = [(each.name, each.unknown_sql(value, context)) for each, value in view.nullable_filters()]
    times = functools.reduce(operator.add, (cast(condition, Integer) for _, condition in unknown))
    groups = [(name, and_(times == 1, condition)) for name, condition in unknown]
    groups.append((copied.SEVERAL, times > 1))
    query = (
        select(*(func.sum(cast(group, Integer)) for _, group in groups))
        .select_from(Deal.__table__)
        .where(*conditions(view.with_unknown(), moment), times > 0)
    )
    counts = connection.execute(query).one()
    return {name: int(n) for (name, _), n in zip(groups, counts, strict=True) if n}


@dataclass(frozen=True, slots=True)
class Category:
    """A root category and how many deals of the view it has; id 0 stands for "unknown"."""

    id: int
    name: str
    count: int


def count_categories(reads: Reads, view: View, moment: Moment) -> list[Category]:
    """The categories that the view's other filters leave, biggest first."""
    counted = _ask(
        reads,
        view,
        lambda look: copied.count_categories(look, view, moment),
        functools.partial(_categories, view, moment),
    )
    found = [
        Category(number or 0, name or ("Unknown category" if not number else f"Category {number}"), total)
        for number, name, total in counted
        if isinstance(number, int | None) and isinstance(name, str | None)
    ]
    return sorted(found, key=lambda category: (-category.count, category.name))


def _categories(
    view: View, moment: Moment, connection: Connection
) -> list[tuple[int | None, str | None, int]]:
    """Number, name and count of each category."""
    chosen = conditions(view.having(CATEGORY, None), moment)
    columns = (_T.root_category, func.max(_T.category_name), func.count())
    query = select(*columns).where(*chosen).group_by(_T.root_category)
    return [(number, name, total) for number, name, total in connection.execute(query)]


# -- single deals --------------------------------------------------------------------------------
def read_deal(reads: Reads, key: Key) -> DealRow | None:
    query = select(Deal.__table__).where(_T.domain_id == key[0], _T.asin == key[1])
    return reads.execute(query).one_or_none()


def read_points(reads: Reads, key: Key, most: int = 5000) -> Sequence[Any]:
    """The recorded history of a deal, oldest first (``at, price, price_avg_90, sales_rank``)."""
    query = (
        select(_P.at, _P.price, _P.price_avg_90, _P.sales_rank)
        .where(_P.domain_id == key[0], _P.asin == key[1])
        .order_by(_P.at.desc())
        .limit(most)
    )
    return [point for point in reads.execute(query).all()[::-1] if _is_point(point)]


def _is_point(point: Any) -> bool:
    """Whether a record of the history can be read."""
    _, *numbers = point
    whole = all(n is None or (type(n) is int and abs(n) <= soundness.INT32) for n in numbers)
    return whole and soundness.is_moment(point.at)


def read_past(reads: Reads, row: DealRow) -> Any:
    """What Keepa told of the past of a deal's price (``read_at, packed``); that of another type is not it."""
    query = select(_K.read_at, _K.packed).where(
        _K.domain_id == row.domain_id, _K.asin == row.asin, _K.price_type == row.price_type
    )
    return reads.execute(query).one_or_none()


def read_events(reads: Reads, key: Key, most: int = 200) -> Sequence[Any]:
    """A deal's changes of state, newest first (``at, kind, reason``)."""
    query = (
        select(_E.at, _E.kind, _E.reason)
        .where(_E.domain_id == key[0], _E.asin == key[1])
        .order_by(_E.at.desc(), _E.id.desc())
        .limit(most)
    )
    return [event for event in reads.execute(query).all() if _is_event(event)]


def _is_event(event: Any) -> bool:
    """Whether a change of state can be read."""
    known = isinstance(event.kind, DealEventKind) and isinstance(event.reason, EndedReason | None)
    return known and soundness.is_moment(event.at)


def ping(engine: Engine) -> None:
    """Return when the database answers; raise its error otherwise."""
    with engine.connect() as connection:
        connection.execute(select(1))
