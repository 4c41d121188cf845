"""Changes of a reader's marks: each is one transaction, and the last one can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keepa_deals.db.models import Deal, DealMark, HiddenBrand, HiddenCategory, MarkBook
from keepa_deals.db.upsert import ensure_mark_book
from keepa_deals.errors import KeepaDealsError
from keepa_deals.marks.marks import UNMARKED, Hiding, Key, Mark, Purchase
from keepa_deals.marks.reading import book_of, mark_of

MAX_KEYS = 200
"""Deals of one change: a page of them."""
MAX_MARKS = 50_000
"""Deals that one reader can have marked."""
MAX_RULES = 500
"""Brands, and categories, that one reader can have hidden."""
MAX_NOTE = 2000
MAX_PRICE = 2**31 - 1
MAX_QUANTITY = 1_000_000
_D = Deal.__table__.c

Edit = Callable[[Mark], Mark]


class MarkError(KeepaDealsError):
    """A change that can't be made: the text says why, and what is allowed."""


@dataclass
class Change:
    """A reader's book, open for one change; ``close`` writes what has become of it."""

    session: Session
    book: MarkBook
    now: datetime
    before: dict[str, Any] = field(default_factory=dict)
    _counts: dict[type, int] = field(default_factory=dict)

    # -- deals -------------------------------------------------------------------------------------
    def edit(self, keys: Sequence[Key], edit: Edit) -> int:
        """Change the marks of these deals; how many are others now."""
        if len(keys) > MAX_KEYS:
            raise MarkError(f"at most {MAX_KEYS} deals at once, these are {len(keys)}")
        rows = {key: self._row(key) for key in dict.fromkeys(keys)}
        changed = 0
        for key, row in rows.items():
            old = UNMARKED if row is None else _mark(row)
            changed += self._put(key, row, old, edit(old))
        return changed

    def _row(self, key: Key) -> DealMark | None:
        return self.session.get(DealMark, (self.book.id, *key))

    def _put(self, key: Key, row: DealMark | None, old: Mark, new: Mark) -> bool:
        if new == old:
            return False
        self.before.setdefault("marks", []).append([*key, mark_json(old)])
        if not new:
            self.session.delete(row)
            return True
        if row is None:
            self._leave_room(DealMark, MAX_MARKS, "deals")
            row = DealMark(book_id=self.book.id, domain_id=key[0], asin=key[1])
            self.session.add(row)
        hiding, bought = new.hiding, new.bought
        row.starred_at, row.note = new.starred_at, new.note
        row.hidden_at = None if hiding is None else hiding.at
        row.hidden_percent = None if hiding is None else hiding.percent
        row.hidden_price = None if hiding is None else hiding.price
        row.bought_at = None if bought is None else bought.at
        row.bought_price = None if bought is None else bought.price
        row.bought_quantity = None if bought is None else bought.quantity
        return True

    def hide_until(self, keys: Sequence[Key], percent: int) -> int:
        """Hide these deals until each is so much cheaper than now; one without a price, for good."""
        prices = self._facts(keys)
        done = 0
        for key in keys:
            price = prices[key][0] if key in prices else None
            limit = None if price is None else price * (100 - percent) // 100
            hiding = Hiding(self.now, None if limit is None else percent, limit)
            done += self.edit([key], lambda mark, hiding=hiding: replace(mark, hiding=hiding))  # type: ignore[misc]
        return done

    # -- brands and categories -----------------------------------------------------------------------
    def set_brands(self, keys: Sequence[Key], *, hidden: bool) -> int:
        """Hide the brands of these deals, or show them again; how many are so now that were not."""
        brands = dict.fromkeys(brand for _, brand, *_ in self._facts(keys).values() if brand)
        if not brands:
            raise MarkError("the brand of no such deal is known: hide the deal itself")
        return sum(self._hide_brand(brand) if hidden else self.show_brand(brand) for brand in brands)

    def _hide_brand(self, brand: str) -> bool:
        if self.session.get(HiddenBrand, (self.book.id, brand)) is not None:
            return False
        self._leave_room(HiddenBrand, MAX_RULES, "brands")
        self.session.add(HiddenBrand(book_id=self.book.id, brand=brand, hidden_at=self.now))
        self.before.setdefault("brands_added", []).append(brand)
        return True

    def show_brand(self, brand: str) -> bool:
        """Show a brand again; whether it was hidden."""
        row = self.session.get(HiddenBrand, (self.book.id, brand))
        if row is None:
            return False
        self.session.delete(row)
        self.before.setdefault("brands_taken", []).append(brand)
        return True

    def set_categories(self, keys: Sequence[Key], *, hidden: bool) -> int:
        """Hide the root categories of these deals, or show them; how many are so now that were not."""
        facts = self._facts(keys)
        wanted = {(key[0], number): name for key, (_, _, number, name) in facts.items() if number}
        if not wanted:
            raise MarkError("the category of no such deal is known: hide the deal itself")
        if not hidden:
            return sum(self.show_category(*place) for place in wanted)
        return sum(self._hide_category(*place, name) for place, name in wanted.items())

    def _hide_category(self, domain_id: int, category: int, name: str | None) -> bool:
        if self.session.get(HiddenCategory, (self.book.id, domain_id, category)) is not None:
            return False
        self._leave_room(HiddenCategory, MAX_RULES, "categories")
        self.session.add(
            HiddenCategory(
                book_id=self.book.id, domain_id=domain_id, category=category, name=name, hidden_at=self.now
            )
        )
        self.before.setdefault("categories_added", []).append([domain_id, category, name])
        return True

    def show_category(self, domain_id: int, category: int) -> bool:
        """Show a category again; whether it was hidden."""
        row = self.session.get(HiddenCategory, (self.book.id, domain_id, category))
        if row is None:
            return False
        self.session.delete(row)
        self.before.setdefault("categories_taken", []).append([domain_id, category, row.name])
        return True

    # -- what there is -------------------------------------------------------------------------------
    def _facts(self, keys: Iterable[Key]) -> dict[Key, tuple[int | None, str | None, int | None, str | None]]:
        """Price, brand, category and its name of these deals."""
        facts = {}
        for domain_id in {key[0] for key in keys}:
            asins = [asin for its_domain, asin in keys if its_domain == domain_id]
            columns = (_D.asin, _D.price, _D.brand, _D.root_category, _D.category_name)
            query = select(*columns).where(_D.domain_id == domain_id, _D.asin.in_(asins))
            for asin, price, brand, category, name in self.session.execute(query):
                facts[domain_id, asin] = price, brand, category, name
        return facts

    def _leave_room(self, table: type[DealMark | HiddenBrand | HiddenCategory], most: int, what: str) -> None:
        if table not in self._counts:
            count = select(func.count()).select_from(table).where(table.book_id == self.book.id)
            self._counts[table] = self.session.scalar(count) or 0
        self._counts[table] += 1
        if self._counts[table] > most:
            raise MarkError(f"you have marked {most:,} {what}, which is all that fit: take some marks away")

    def close(self, words: str = "") -> int:
        """Write the change; the book's revision after it."""
        if self.before:
            self.book.revision += 1
            self.book.before = {**self.before, "words": words, "revision": self.book.revision}
        self.session.flush()
        return self.book.revision


def _mark(row: DealMark) -> Mark:
    return mark_of(
        *(row.starred_at, row.hidden_at, row.hidden_percent, row.hidden_price),
        *(row.note, row.bought_at, row.bought_price, row.bought_quantity),
    )


def open_book(session: Session, person_id: int | None, now: datetime) -> Change:
    """A reader's book, which nobody else can change until the transaction ends."""
    number = book_of(person_id)
    ensure_mark_book(session, number, person_id)
    locked = select(MarkBook).where(MarkBook.id == number).with_for_update()
    return Change(session, session.scalars(locked).one(), now)


# -- taking back -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LastChange:
    """The change that can be taken back."""

    revision: int
    words: str


def last_change(before: Mapping[str, Any] | None, revision: int) -> LastChange | None:
    """The change that led to this revision, where it can be taken back."""
    if not before or before.get("revision") != revision:
        return None
    return LastChange(revision, str(before.get("words", "")))


def undo(change: Change, revision: int) -> bool:
    """Put back what the last change changed; ``False`` when another one came since."""
    before = change.book.before
    if not before or revision != change.book.revision or before.get("revision") != revision:
        return False
    for domain_id, asin, told in reversed(before.get("marks", ())):
        change.edit([(domain_id, asin)], lambda _, told=told: mark_from(told))  # type: ignore[misc]
    book = change.book.id
    for brand in before.get("brands_added", ()):
        change.show_brand(brand)
    for brand in before.get("brands_taken", ()):
        change.session.add(HiddenBrand(book_id=book, brand=brand, hidden_at=change.now))
    for domain_id, category, _ in before.get("categories_added", ()):
        change.show_category(domain_id, category)
    for domain_id, category, name in before.get("categories_taken", ()):
        row = HiddenCategory(
            book_id=book, domain_id=domain_id, category=category, name=name, hidden_at=change.now
        )
        change.session.add(row)
    change.book.revision += 1
    change.book.before = None
    change.session.flush()
    return True


# -- as JSON ---------------------------------------------------------------------------------------
def mark_json(mark: Mark) -> dict[str, Any]:
    """A mark as the book keeps it to take a change back."""
    hiding, bought = mark.hiding, mark.bought
    return {
        "starred_at": None if mark.starred_at is None else mark.starred_at.isoformat(),
        "hiding": None if hiding is None else [hiding.at.isoformat(), hiding.percent, hiding.price],
        "note": mark.note,
        "bought": None if bought is None else [bought.at.isoformat(), bought.price, bought.quantity],
    }


def mark_from(told: Mapping[str, Any]) -> Mark:
    """The mark that ``mark_json`` wrote."""
    starred, hiding, bought = told["starred_at"], told["hiding"], told["bought"]
    return Mark(
        None if starred is None else datetime.fromisoformat(starred),
        None if hiding is None else Hiding(datetime.fromisoformat(hiding[0]), *hiding[1:]),
        told["note"],
        None if bought is None else Purchase(datetime.fromisoformat(bought[0]), *bought[1:]),
    )
