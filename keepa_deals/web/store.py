"""The dashboard's questions to the deals table. Each returns plain values; none of them writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    exists,
    func,
    or_,
    select,
    true,
)

from keepa_deals.db.models import Deal, DealEvent, DealEventKind, DealPoint, EndedReason
from keepa_deals.web.columns import RANGES, SORTS
from keepa_deals.web.paging import Cursor, stretches
from keepa_deals.web.view import Status, View

_T = Deal.__table__.c
_E = DealEvent.__table__.c
_P = DealPoint.__table__.c

DealRow = Any
"""A row of ``deals`` with all its columns as attributes."""
Conditions = list[ColumnElement[bool]]


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
    conditions: Conditions = [status_condition(view.status, moment)]
    for word in view.text.split():
        conditions.append(
            or_(
                _T.title.icontains(word, autoescape=True),
                _T.brand.icontains(word, autoescape=True),
                _T.asin == word.upper(),
            )
        )
    if view.domain:
        conditions.append(_T.domain_id == view.domain)
    if view.found_within:
        conditions.append(_T.deal_created_at >= moment.now - timedelta(hours=view.found_within))
    if view.seen_within:
        conditions.append(_T.last_seen_at >= moment.now - timedelta(minutes=view.seen_within))
    if view.flag("back_in_stock"):
        conditions.append(_back_in_stock())
    return conditions


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


def questions(view: View) -> list[Question]:
    """The active filters on values that may be unknown."""
    asked = []
    for name, value in view.bounds.items():
        bound = RANGES[name]
        column = bound.over(view.interval)
        holds = column >= value if bound.lower else column <= value
        asked.append(Question(name, holds, column.is_(None)))
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
        found.append(or_(question.holds, question.unknown) if view.flag("unknown") else question.holds)
    return found


# -- the list ------------------------------------------------------------------------------------
def read_page(connection: Connection, view: View, moment: Moment, cursor: Cursor | None) -> Page:
    """The page of ``view`` at ``cursor``, the first one without."""
    sort = SORTS[view.sort]
    wanted = view.limit + 1
    rows: list[DealRow] = []
    base = select(Deal.__table__).where(*conditions(view, moment))
    for stretch in stretches(sort, view.order, cursor):
        query = base if stretch.where is None else base.where(stretch.where)
        rows += connection.execute(query.order_by(*stretch.order_by).limit(wanted - len(rows))).all()
        if len(rows) == wanted:
            break
    return _page(view, rows, cursor)


def _page(view: View, rows: list[DealRow], cursor: Cursor | None) -> Page:
    more = len(rows) > view.limit
    rows = rows[: view.limit]
    backwards = cursor is not None and cursor.backwards
    if backwards:
        rows.reverse()
    has_previous = more if backwards else cursor is not None
    has_next = True if backwards else more
    return Page(
        rows,
        previous=place(view, rows[0], backwards=True) if rows and has_previous else None,
        next=place(view, rows[-1]) if rows and has_next else None,
    )


def place(view: View, row: DealRow, *, backwards: bool = False) -> Cursor:
    """The cursor at a row of a view."""
    return Cursor(view.sort, view.order, sort_value(view.sort, row), row.domain_id, row.asin, backwards)


def sort_value(sort: str, row: DealRow) -> Any:
    """What a row is sorted by."""
    column = SORTS[sort].column
    if sort.startswith("drop"):
        suffix = sort.removeprefix("drop").lstrip("_") or "90"
        average = getattr(row, f"price_avg_{suffix}")
        return None if average is None or row.price is None else average - row.price
    return getattr(row, column.key or "")


def count(connection: Connection, view: View, moment: Moment) -> int:
    """How many deals the view has in all."""
    query = select(func.count()).select_from(Deal.__table__).where(*conditions(view, moment))
    return int(connection.execute(query).scalar_one())


def count_hidden(connection: Connection, view: View, moment: Moment) -> dict[str, int]:
    """How many deals each filter hides only because their value is unknown."""
    asked = questions(view)
    if not asked or view.flag("unknown"):
        return {}
    base = [*_plain_conditions(view, moment), *_category_condition(view)]
    hidden = {}
    for question in asked:
        others = [other.holds for other in asked if other is not question]
        query = select(func.count()).select_from(Deal.__table__).where(*base, *others, question.unknown)
        hidden[question.name] = int(connection.execute(query).scalar_one())
    return {name: number for name, number in hidden.items() if number}


@dataclass(frozen=True, slots=True)
class Category:
    """A root category and how many deals of the view it has; id 0 stands for "unknown"."""

    id: int
    name: str
    count: int


def count_categories(connection: Connection, view: View, moment: Moment) -> list[Category]:
    """The categories that the view's other filters leave, biggest first."""
    query = (
        select(_T.root_category, func.max(_T.category_name), func.count())
        .where(*conditions(view, moment, with_categories=False))
        .group_by(_T.root_category)
    )
    found = [
        Category(number or 0, name or ("Unknown category" if not number else f"Category {number}"), total)
        for number, name, total in connection.execute(query)
    ]
    return sorted(found, key=lambda category: (-category.count, category.name))


# -- single deals --------------------------------------------------------------------------------
Key = tuple[int, str]


def read_deal(connection: Connection, key: Key) -> DealRow | None:
    query = select(Deal.__table__).where(_T.domain_id == key[0], _T.asin == key[1])
    return connection.execute(query).one_or_none()


def read_points(connection: Connection, key: Key, most: int = 5000) -> Sequence[Any]:
    """The recorded history of a deal, oldest first (``at, price, price_avg_90, sales_rank``)."""
    query = (
        select(_P.at, _P.price, _P.price_avg_90, _P.sales_rank)
        .where(_P.domain_id == key[0], _P.asin == key[1])
        .order_by(_P.at.desc())
        .limit(most)
    )
    return connection.execute(query).all()[::-1]


def read_events(connection: Connection, key: Key, most: int = 200) -> Sequence[Any]:
    """A deal's changes of state, newest first (``at, kind, reason``)."""
    query = (
        select(_E.at, _E.kind, _E.reason)
        .where(_E.domain_id == key[0], _E.asin == key[1])
        .order_by(_E.at.desc(), _E.id.desc())
        .limit(most)
    )
    return connection.execute(query).all()


def ping(engine: Engine) -> None:
    """Return when the database answers; raise its error otherwise."""
    with engine.connect() as connection:
        connection.execute(select(1))
