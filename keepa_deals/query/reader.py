"""The dashboard's questions to the deals table. Each returns plain values; none of them writes."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from keepa_deals.db import soundness
from keepa_deals.db.models import Deal, DealEvent, DealPast, DealPoint
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.query.cache import scan as copied
from keepa_deals.query.cache.cache import Reading
from keepa_deals.query.cache.columns import keys_at
from keepa_deals.query.cache.scan import Look
from keepa_deals.query.cache.top_rows import walk
from keepa_deals.query.columns import RANGES, SORTS
from keepa_deals.query.cursor import Cursor, legs, stretches
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.view import Status, View

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
    def live_since(self) -> datetime:
        return self.now - self.fresh


# -- conditions ----------------------------------------------------------------------------------
def status_condition(status: Status, moment: Moment) -> ColumnElement[bool]:
    """The deals of a status at a moment."""
    not_ended = _T.ended_at.is_(None)
    match status:
        case Status.LIVE:
            return and_(not_ended, _T.last_seen_at >= moment.live_since)
        case Status.STALE:
            return and_(not_ended, _T.last_seen_at < moment.live_since)
        case Status.OPEN:
            return not_ended
        case Status.ENDED:
            return _T.ended_at.is_not(None)
    return true()


def _plain_conditions(view: View, moment: Moment) -> Conditions:
    """The filters that every deal can answer: nothing is unknown about them."""
    conditions: Conditions = [status_condition(view.status, moment), *_readable(moment)]
    if view.domain:
        conditions.append(_T.domain_id == view.domain)
    if view.found_within:
        conditions.append(_T.found_at >= moment.now - timedelta(hours=view.found_within))
    if view.price_changed_within:
        since = moment.now - timedelta(hours=view.price_changed_within)
        conditions.append(_T.deal_created_at >= since)
    if view.seen_within:
        conditions.append(_T.last_seen_at >= moment.now - timedelta(minutes=view.seen_within))
    if reason := view.flag("ended_reason"):
        conditions.append(_T.ended_reason == EndedReason(reason))
    if view.flag("back_in_stock"):
        conditions.append(_back_in_stock())
    return conditions


def _readable(moment: Moment) -> Conditions:
    keys = moment.left_out.noted()
    return [tuple_(_T.domain_id, _T.asin).not_in(keys)] if keys else []


def _text_conditions(view: View) -> Conditions:
    """The words looked for. They come last: no other condition costs as much."""
    return [or_(mentions(word), _T.asin == word.upper()) for word in view.text.split()]


def _category_condition(view: View) -> Conditions:
    if not view.categories:
        return []
    known = [category for category in view.categories if category]
    condition = _T.root_category.in_(known)
    return [or_(condition, _T.root_category.is_(None)) if 0 in view.categories else condition]


def _back_in_stock() -> ColumnElement[bool]:
    """Deals that had ended for being out of stock and came back."""
    ended = exists().where(
        _E.domain_id == _T.domain_id,
        _E.asin == _T.asin,
        _E.kind == DealEventKind.ENDED,
        _E.reason == EndedReason.OUT_OF_STOCK,
    )
    return and_(_T.ended_at.is_(None), ended)


@dataclass(frozen=True, slots=True)
class Question:
    """One filter that a deal may be unable to answer: ``holds``, or ``unknown``."""

    name: str
    holds: ColumnElement[bool]
    unknown: ColumnElement[bool]

    @property
    def lenient(self) -> ColumnElement[bool]:
        """``holds`` or ``unknown``."""
        return or_(self.holds, self.unknown)


@dataclass(frozen=True, slots=True)
class BoundQuestion(Question):
    """A bound on a number: where the number is unknown, the comparison is, too, and so not false."""

    @property
    def lenient(self) -> ColumnElement[bool]:
        return self.holds.is_not(false())


def questions(view: View) -> list[Question]:
    """The active filters on values that may be unknown."""
    asked: list[Question] = []
    for name, value in view.bounds.items():
        bound = RANGES[name]
        column = bound.over(view.interval)
        holds = column >= value if bound.lower else column <= value
        asked.append(BoundQuestion(name, holds, column.is_(None)))
    if lowest := view.flag("lowest"):
        column = _T.is_lowest if lowest == "ever" else _T.is_lowest_90
        asked.append(Question("lowest", column.is_(True), column.is_(None)))
    if amazon := view.flag("amazon"):
        asked.append(_amazon_question(amazon == "yes"))
    return asked


def _amazon_question(wanted: bool) -> Question:
    """Amazon's own offer, as the product page says; until it has been read, as the deal feed says."""
    unread = _T.amazon_in_stock.is_(None)
    offered = and_(unread, _T.amazon_price.is_not(None))
    holds = or_(_T.amazon_in_stock.is_(True), offered) if wanted else _T.amazon_in_stock.is_(False)
    return Question("amazon", holds, and_(unread, _T.amazon_price.is_(None)))


def conditions(view: View, moment: Moment, *, with_categories: bool = True) -> Conditions:
    """Everything that a deal of the view must fulfil."""
    found = _plain_conditions(view, moment)
    if with_categories:
        found += _category_condition(view)
    for question in questions(view):
        found.append(question.lenient if view.flag("unknown") else question.holds)
    return found + _text_conditions(view)


def mentions(word: str) -> ColumnElement[bool]:
    """Whether a deal's title or brand holds ``word``, in whatever case."""
    escaped = word.replace("/", "//").replace("%", "/%").replace("_", "/_")
    pattern = func.lower(literal(f"%{escaped}%"))
    return or_(func.lower(_T.title).like(pattern, escape="/"), func.lower(_T.brand).like(pattern, escape="/"))


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
            count(connection, replace(view, status=status), moment)
            for status in (Status.LIVE, Status.STALE, Status.ENDED)
        )
        return live, stale, ended

    every = replace(view, status=Status.ALL)
    return _ask(reads, every, lambda look: copied.count_statuses(look, view, moment), of_database)


def count_hidden(reads: Reads, view: View, moment: Moment) -> dict[str, int]:
    """How many deals are hidden only because values are unknown: by each filter alone, and by ``SEVERAL``."""
    if view.flag("unknown") or not questions(view):
        return {}
    return _ask(
        reads,
        view,
        lambda look: copied.count_hidden(look, view, moment),
        functools.partial(_count_hidden, view, moment),
    )


def _count_hidden(view: View, moment: Moment, connection: Connection) -> dict[str, int]:
    asked = questions(view)
    base = [*_plain_conditions(view, moment), *_category_condition(view), *_text_conditions(view)]
    times = functools.reduce(operator.add, (cast(question.unknown, Integer) for question in asked))
    groups = [(question.name, and_(times == 1, question.unknown)) for question in asked]
    groups.append((copied.SEVERAL, times > 1))
    query = (
        select(*(func.sum(cast(group, Integer)) for _, group in groups))
        .select_from(Deal.__table__)
        .where(*base, *(question.lenient for question in asked), times > 0)
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
    chosen = conditions(view, moment, with_categories=False)
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
