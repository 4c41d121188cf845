"""Marks as the database has them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from keepa_deals.db.models import DealMark, HiddenBrand, HiddenCategory, MarkBook
from keepa_deals.marks.marks import NOBODY_NAMED, Hiding, Key, Mark, Marks, Purchase

MAX_KEPT = 16
"""Readers whose marks a process keeps, at most some 10 MB each; those of more are read when they ask."""
MAX_ASINS = 500
"""ASINs of one query."""
_B, _M = MarkBook.__table__.c, DealMark.__table__.c
_COLUMNS = (
    *(_M.asin, _M.starred_at, _M.hidden_at, _M.hidden_percent, _M.hidden_price),
    *(_M.note, _M.bought_at, _M.bought_price, _M.bought_quantity),
)


def book_of(person_id: int | None) -> int:
    """The number of a person's book; of the unnamed reader's."""
    return NOBODY_NAMED if person_id is None else person_id


def read_marks(connection: Connection, person_id: int | None) -> Marks:
    """All of a reader's marks."""
    book = book_of(person_id)
    columns = (_M.domain_id, _M.asin, _M.starred_at, _M.hidden_at, _M.hidden_price, _M.note, _M.bought_at)
    starred, bought, noted = set(), set(), set()
    hidden: dict[Key, int | None] = {}
    for domain_id, asin, starred_at, hidden_at, price, note, bought_at in connection.execute(
        select(*columns).where(_M.book_id == book)
    ):
        key = domain_id, asin
        if starred_at is not None:
            starred.add(key)
        if bought_at is not None:
            bought.add(key)
        if note is not None:
            noted.add(key)
        if hidden_at is not None:
            hidden[key] = price
    brands = connection.scalars(select(HiddenBrand.brand).where(HiddenBrand.book_id == book))
    categories = connection.execute(
        select(HiddenCategory.domain_id, HiddenCategory.category).where(HiddenCategory.book_id == book)
    )
    return Marks(
        book,
        frozenset(starred),
        frozenset(bought),
        frozenset(noted),
        hidden,
        frozenset(brands),
        frozenset((domain_id, category) for domain_id, category in categories),
    )


def read_each(connection: Connection, person_id: int | None, keys: Iterable[Key]) -> Mapping[Key, Mark]:
    """A reader's marks on these deals; a deal without any is left out."""
    by_domain: dict[int, list[str]] = {}
    for domain_id, asin in keys:
        by_domain.setdefault(domain_id, []).append(asin)
    found: dict[Key, Mark] = {}
    for domain_id, asins in by_domain.items():
        for start in range(0, len(asins), MAX_ASINS):
            some = asins[start : start + MAX_ASINS]
            its = (_M.book_id == book_of(person_id), _M.domain_id == domain_id, _M.asin.in_(some))
            for asin, *values in connection.execute(select(*_COLUMNS).where(*its)):
                found[domain_id, asin] = mark_of(*values)
    return found


def mark_of(
    starred_at: datetime | None,
    hidden_at: datetime | None,
    hidden_percent: int | None,
    hidden_price: int | None,
    note: str | None,
    bought_at: datetime | None,
    bought_price: int | None,
    bought_quantity: int | None,
) -> Mark:
    """What the columns of a row say."""
    hiding = bought = None
    if hidden_at is not None:
        hiding = Hiding(hidden_at, hidden_percent, hidden_price)
    if bought_at is not None:
        bought = Purchase(bought_at, bought_price or 0, bought_quantity or 1)
    return Mark(starred_at, hiding, note, bought)


class MarksMemory:
    """The marks of those who asked last, each as long as its book still says that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[int, Marks]] = OrderedDict()

    def read(self, connection: Connection, person_id: int | None) -> Marks:
        """A reader's marks as they are now."""
        book = book_of(person_id)
        revision = connection.scalar(select(_B.revision).where(_B.id == book))
        if revision is None:
            return Marks(book)
        with self._lock:
            kept = self._kept.get(book)
            if kept is not None and kept[0] == revision:
                self._kept.move_to_end(book)
                return kept[1]
        marks = read_marks(connection, person_id)
        with self._lock:
            self._kept[book] = revision, marks
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return marks
