"""Keeps the copy in step with the database: changed rows every few seconds, everything now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Enum,
    Select,
    String,
    Table,
    and_,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.exc import SQLAlchemyError

from keepa_deals.clock import Clock
from keepa_deals.db.models import Deal, DealEvent, DealEventKind, EndedReason, UtcDateTime
from keepa_deals.web.replica import duck

log = logging.getLogger(__name__)

STEP_SECONDS = 2.0
OLDEST_SECONDS = 15.0
"""A copy that could not be renewed for longer is not used: the database is asked itself."""
OVERLAP = timedelta(seconds=30)
"""How long a writer may take between reading its clock and committing. Later ones wait for the next load."""
LOAD_SHARE = 50
"""Everything is copied anew after so many times as long as it took: two percent of one core."""
LEAST_BETWEEN_LOADS = 60.0
CHUNK = 5_000

_DEALS = cast("Table", Deal.__table__)
_EVENTS = cast("Table", DealEvent.__table__)
_LEFT_OUT = frozenset(
    ("image", "keepa_updated_at", "listed_at", "verified_at", "point_at", "stale_noted_at", "enriched_at")
)
"""Nobody filters or sorts by these."""
_FIRST = (
    *("domain_id", "asin", "title", "brand", "root_category", "category_name"),
    *("last_seen_at", "changed_at"),
)
"""The order in which the rows are taken apart below."""
_SEEN, _CHANGED = _FIRST.index("last_seen_at"), _FIRST.index("changed_at")
_DERIVED = {duck.PLACE: "BIGINT", duck.HAYSTACK: "VARCHAR"}
COLUMNS: list[Column[Any]] = [_DEALS.c[name] for name in _FIRST] + [
    column for column in _DEALS.c if column.name not in (*_FIRST, *_LEFT_OUT)
]
_PLACE = len(COLUMNS)
EVENT_COLUMNS: list[Column[Any]] = [_EVENTS.c[name] for name in ("domain_id", "asin", "kind", "reason")]

Version = tuple[Any, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """A transaction on the copy, and the names of the root categories."""

    connection: Connection
    categories: Mapping[int, str]


@dataclass
class _Copy:
    """One copy, and how far it has followed the database."""

    duck: duck.DuckCopy
    loaded_at: float
    load_seconds: float = 0.0
    synced_at: float = 0.0
    seen: datetime | None = None
    changed: datetime | None = None
    event_id: int = 0
    versions: dict[int, Version] = field(default_factory=dict)
    """What was copied of rows touched within the overlap, by place: they come again and again."""
    categories: dict[int, str] = field(default_factory=dict)
    """The names of the root categories."""


class Replica:
    """The copy of one database. ``start`` starts it; without a fresh copy there is no ``connection``."""

    def __init__(self, source: Engine, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._copy: _Copy | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Keep the copy in step from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.distrust()

    def distrust(self) -> None:
        """Use the database itself until the next step has made a new copy."""
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.duck.engine.dispose()

    @contextmanager
    def look(self) -> Iterator[Look | None]:
        """A consistent look at the copy; ``None`` while there is none that is fresh."""
        copy = self._copy
        if copy is None or self._clock.monotonic() - copy.synced_at > OLDEST_SECONDS:
            yield None
            return
        with copy.duck.engine.connect() as connection:
            yield Look(connection, copy.categories)

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                self.step()
                failing = False
            except Exception as error:  # noqa: BLE001  # whatever it is, pages go on without the copy
                if not failing:
                    log.warning("the copy of the deals can't be renewed: %s", type(error).__name__)
                failing = True
            self._stopping.wait(STEP_SECONDS)

    def step(self) -> None:
        """Bring the copy up to date, or make it."""
        now = self._clock.monotonic()
        copy = self._copy
        if copy is None or now - copy.loaded_at > max(LEAST_BETWEEN_LOADS, LOAD_SHARE * copy.load_seconds):
            self._copy = self._load(now, copy)
            if copy is not None:
                copy.duck.engine.dispose()  # whoever still reads it keeps a connection to it
            return
        self._follow(copy)
        copy.synced_at = now

    def _keep_in_step(self, copy: _Copy | None) -> None:
        """While a new copy is made, which may take a minute, the old one goes on."""
        now = self._clock.monotonic()
        if copy is not None and now - copy.synced_at > STEP_SECONDS:
            self._follow(copy)
            copy.synced_at = now

    # -- everything ----------------------------------------------------------------------------
    def _load(self, now: float, old: _Copy | None) -> _Copy:
        copy = _Copy(duck.DuckCopy(), loaded_at=now)
        copy.duck.create(_DEALS.name, {c.name: duck.type_of(c) for c in COLUMNS} | _DERIVED)
        copy.duck.create(_EVENTS.name, {c.name: duck.type_of(c) for c in EVENT_COLUMNS})
        cursor = copy.duck.database.cursor()
        with self._source.connect() as connection:
            self._follow_events(copy, connection, cursor)
            result = connection.execution_options(yield_per=CHUNK).execute(select(*_naive(COLUMNS)))
            for part in result.partitions():
                if self._stopping.is_set():
                    return copy
                rows = [_derive(row) for row in part]
                duck.insert(cursor, _DEALS.name, rows)
                _advance(copy, rows)
                self._keep_in_step(old)
        _forget_old(copy)
        cursor.close()
        copy.synced_at = self._clock.monotonic()
        copy.load_seconds = copy.synced_at - now
        return copy

    # -- what changed --------------------------------------------------------------------------
    def _follow(self, copy: _Copy) -> None:
        with self._source.connect() as connection:
            touched = (_derive(row) for row in connection.execute(_touched_since(copy)))
            rows = [row for row in touched if copy.versions.get(row[_PLACE]) != (row[_SEEN], row[_CHANGED])]
            cursor = copy.duck.database.cursor()
            cursor.begin()
            try:
                self._follow_events(copy, connection, cursor)
                duck.delete(cursor, _DEALS.name, [row[_PLACE] for row in rows])
                for start in range(0, len(rows), CHUNK):
                    duck.insert(cursor, _DEALS.name, rows[start : start + CHUNK])
                cursor.commit()
            finally:
                cursor.close()
        _advance(copy, rows)
        _forget_old(copy)

    @staticmethod
    def _follow_events(copy: _Copy, connection: Connection, cursor: Any) -> None:
        """Only the events by which ``web.store`` filters."""
        query = select(*_naive(EVENT_COLUMNS), _EVENTS.c.id).where(
            _EVENTS.c.kind == DealEventKind.ENDED,
            _EVENTS.c.reason == EndedReason.OUT_OF_STOCK,
            _EVENTS.c.id > copy.event_id,
        )
        rows = connection.execute(query).all()
        duck.insert(cursor, _EVENTS.name, [tuple(row)[:4] for row in rows])
        copy.event_id = max((row[4] for row in rows), default=copy.event_id)


def _naive(columns: list[Column[Any]]) -> list[Any]:
    """The columns as the driver gives them, which saves a conversion of every value each way."""
    return [type_coerce(column, kind) if (kind := _raw(column)) else column for column in columns]


def _raw(column: Column[Any]) -> DateTime | String | None:
    if isinstance(column.type, UtcDateTime):
        return DateTime(timezone=True)
    return String() if isinstance(column.type, Enum) else None


def _touched_since(copy: _Copy) -> Select[Any]:
    """The rows that may have changed since the copy last followed; all of them when it is empty."""
    query: Select[Any] = select(*_naive(COLUMNS))
    if copy.seen is None or copy.changed is None:
        return query
    return query.where(
        or_(
            and_(_DEALS.c.ended_at.is_(None), _DEALS.c.last_seen_at >= _aware(copy.seen) - OVERLAP),
            _DEALS.c.changed_at >= _aware(copy.changed) - OVERLAP,
        )
    )


def _derive(row: Any) -> tuple[Any, ...]:
    """A row with what only the copy has."""
    domain_id, asin, title, brand = row[:4]
    haystack = f"{title}\n{brand or ''}".lower()
    return (*row, duck.place_of(domain_id, asin), haystack)


def _advance(copy: _Copy, rows: list[tuple[Any, ...]]) -> None:
    """Note how far these rows lead."""
    if not rows:
        return
    seen, changed = max(row[_SEEN] for row in rows), max(row[_CHANGED] for row in rows)
    copy.seen = max(copy.seen or seen, seen)
    copy.changed = max(copy.changed or changed, changed)
    copy.categories.update((row[4], row[5]) for row in rows if row[4] is not None and row[5] is not None)
    seen, changed = copy.seen - 2 * OVERLAP, copy.changed - 2 * OVERLAP
    copy.versions.update(
        (row[_PLACE], (row[_SEEN], row[_CHANGED]))
        for row in rows
        if row[_SEEN] >= seen or row[_CHANGED] >= changed
    )


def _forget_old(copy: _Copy) -> None:
    if copy.seen is None or copy.changed is None:
        return
    seen, changed = copy.seen - 2 * OVERLAP, copy.changed - 2 * OVERLAP
    copy.versions = {k: v for k, v in copy.versions.items() if v[0] >= seen or v[1] >= changed}


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass
class Reading:
    """One request's look: ``execute`` asks the database, ``ask`` the copy while there is a fresh one."""

    connection: Connection
    look: Look | None = None
    replica: Replica | None = None

    def execute(self, query: Any) -> Any:
        return self.connection.execute(query)

    def ask(self, question: Callable[[Connection, Look | None], T]) -> T:
        """The answer to a question that needs only what the copy holds: from it, or from the database."""
        if self.look is not None:
            try:
                return question(self.look.connection, self.look)
            except (SQLAlchemyError, ValueError) as error:
                log.warning("the copy of the deals gave no answer (%s)", type(error).__name__)
                self.look = None
                if self.replica is not None:
                    self.replica.distrust()
        return question(self.connection, None)


@contextmanager
def reading(source: Engine, replica: Replica) -> Iterator[Reading]:
    """A look at the database and at its copy."""
    with source.connect() as connection, replica.look() as look:
        yield Reading(connection, look, replica)
