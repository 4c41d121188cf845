"""The deals at one moment: from the column cache while it is fresh, else from the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine

from keepa_deals.deals.freshness import AsOf
from keepa_deals.marks.marks import NO_MARKS, Marks
from keepa_deals.query.cache import scan, top_rows
from keepa_deals.query.cache.cache import ColumnCache
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.cursor import Cursor, Key, Place
from keepa_deals.query.database import DealTable, StatusCounts
from keepa_deals.query.filters.marked import MARKED, Marked
from keepa_deals.query.filters.scope import STATUS, Status
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.rows import DealRow
from keepa_deals.query.view import View

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_ROUNDS = 20
"""How often a page is asked for again because of rows that can't be read."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a view, and the places before its first and after its last row (``None`` at the ends)."""

    rows: Sequence[DealRow]
    previous: Cursor | None
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Category:
    """A root category and how many deals of the view it has; id 0 stands for "unknown"."""

    id: int
    name: str
    count: int


class DealReader:
    """What one request asks about views. Whatever answers, the answer is the same; none of it writes.

    Without a ``cache`` and a ``snapshot`` the database answers everything.
    """

    def __init__(
        self,
        connection: Connection,
        as_of: AsOf,
        *,
        left_out: LeftOut | None = None,
        cache: ColumnCache | None = None,
        snapshot: CacheSnapshot | None = None,
        marks: Marks = NO_MARKS,
    ) -> None:
        self.connection = connection
        self.as_of = as_of
        self.marks = marks
        """Those of whoever asks."""
        self.snapshot = snapshot and snapshot.of_reader(marks)
        """What answers beside the database; ``None`` once it could not."""
        self._left_out = left_out or LeftOut()
        self._cache = cache
        self.table = DealTable(connection, as_of, self._left_out, marks)

    @property
    def is_catching_up(self) -> bool:
        """Whether a cache that answers everything is on its way: what is not needed now can wait for it."""
        return self._cache is not None and self._cache.is_catching_up

    def ask(self, view: View, of_cache: Callable[[CacheSnapshot], T], of_table: Callable[[], T]) -> T:
        """The cache's answer about a view, or the database's."""
        if self._cache is not None and (self.snapshot is None or not self.snapshot.can_tell(view)):
            newer = self._cache.wait_for(view)
            self.snapshot = newer.of_reader(self.marks) if newer else self.snapshot
        if self.snapshot is not None and self.snapshot.can_tell(view):
            try:
                return of_cache(self.snapshot)
            except Exception as error:  # noqa: BLE001  # whatever it is, the database knows
                log.warning("the column cache gave no answer (%s)", type(error).__name__)
                if self._cache is not None and not self.snapshot.is_sound:
                    self._cache.distrust()  # else it was the question
                self.snapshot = None
        return of_table()

    # -- the list ------------------------------------------------------------------------------
    def page(self, view: View, cursor: Cursor | None = None) -> Page:
        """The page of ``view`` at ``cursor``, the first one without.

        A row that can't be read is noted when it is met, and the page is asked for again without it.
        """
        for _ in range(MAX_ROUNDS):
            known = len(self._left_out.noted())
            page = self._page(view, self.places(view, cursor), cursor)
            if len(self._left_out.noted()) == known:
                break
        return page

    def places(self, view: View, cursor: Cursor | None = None) -> list[Place]:
        """The places of a page and one more."""

        def of_cache(snapshot: CacheSnapshot) -> list[Place]:
            left_out = self._left_out.noted()
            wanted = view.limit + 1 + min(len(left_out), view.limit)
            places = top_rows.first_places(snapshot.chosen(view, self.as_of), view, cursor, wanted)
            return [place for place in places if place.key not in left_out][: view.limit + 1]

        return self.ask(view, of_cache, lambda: self.table.places(view, cursor))

    def _page(self, view: View, places: list[Place], cursor: Cursor | None) -> Page:
        more = len(places) > view.limit
        rows = {(row.domain_id, row.asin): row for row in self.rows([place.key for place in places])}
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

    def rows(self, keys: Sequence[Key]) -> list[DealRow]:
        """The deals with these keys, in their order; one that is gone, or can't be read, is left out."""
        return self.table.rows(keys)

    # -- counts --------------------------------------------------------------------------------
    def count(self, view: View) -> int:
        """How many deals the view has in all."""
        return self.ask(
            view, lambda snapshot: scan.count(snapshot, view, self.as_of), lambda: self.table.count(view)
        )

    def count_by_status(self, view: View) -> StatusCounts:
        """How many live, stale and ended deals there are under the other filters of ``view``."""
        return self.ask(
            view.having(STATUS, Status.ALL),
            lambda snapshot: scan.count_by_status(snapshot, view, self.as_of),
            lambda: self.table.count_by_status(view),
        )

    def count_hidden(self, view: View) -> dict[str, int]:
        """How many deals are hidden only for unknown values: by each filter alone, and by ``SEVERAL``."""
        if view.include_unknown or not view.nullable_filters():
            return {}
        return self.ask(
            view,
            lambda snapshot: scan.count_hidden(snapshot, view, self.as_of),
            lambda: self.table.count_hidden(view),
        )

    def count_put_aside(self, view: View) -> int:
        """How many deals are left out of the view because their reader hid them."""
        if not self.marks.hides_any or view.value_of(MARKED) is not Marked.NOT_HIDDEN:
            return 0
        return self.ask(
            view,
            lambda snapshot: scan.count_put_aside(snapshot, view, self.as_of),
            lambda: self.table.count_put_aside(view),
        )

    def categories(self, view: View) -> list[Category]:
        """The categories that the view's other filters leave, biggest first."""
        counts = self.ask(
            view,
            lambda snapshot: scan.count_categories(snapshot, view, self.as_of),
            lambda: self.table.count_categories(view),
        )
        categories = [
            Category(number or 0, name or ("Unknown category" if not number else f"Category {number}"), total)
            for number, name, total in counts
            if isinstance(number, int | None) and isinstance(name, str | None)
        ]
        return sorted(categories, key=lambda category: (-category.count, category.name))

    # -- events --------------------------------------------------------------------------------
    def newest_event(self, view: View) -> datetime | None:
        """When the newest event happened that whoever answers about ``view`` knows; ``None`` without any.

        Asked before the deals: what comes later is news to whoever reads them. By the event and not by our
        own clock: its writer read a clock, perhaps another one, some time before it could write.
        """
        return self.ask(view, lambda snapshot: snapshot.newest_event, self.table.newest_event)


def cursor_at(view: View, place: Place, *, backwards: bool = False) -> Cursor:
    """The cursor after (``backwards``: before) a place."""
    return Cursor(view.sort, view.order, place.value, *place.key, backwards)


@contextmanager
def reading(
    source: Engine,
    cache: ColumnCache,
    as_of: AsOf,
    snapshot: CacheSnapshot | None = None,
    marks_of: Callable[[Connection], Marks] = lambda _: NO_MARKS,
) -> Iterator[DealReader]:
    """A reader of the database and its cache; with a ``snapshot``, of that one."""
    with source.connect() as connection:
        yield DealReader(
            connection,
            as_of,
            left_out=cache.left_out,
            cache=cache,
            snapshot=snapshot or cache.snapshot(),
            marks=marks_of(connection),
        )
