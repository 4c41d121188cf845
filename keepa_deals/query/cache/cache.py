"""Keeps the column cache in step: changed rows every few seconds, everything now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, case, select

from keepa_deals.clock import Clock
from keepa_deals.formats import counted
from keepa_deals.query.cache.columns import DEALS, selected
from keepa_deals.query.cache.refresh import Refresher
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.view import View

log = logging.getLogger(__name__)

STEP_SECONDS = 2.0
MAX_AGE_SECONDS = 15.0
"""A cache that could not be renewed for longer is not used: the database is asked itself."""
LOAD_SHARE = 100
"""Everything is copied anew after so many times as long as it took: one percent of a core."""
MIN_BETWEEN_LOADS = 60.0
WAIT_TIMEOUT_SECONDS = 20.0
"""How long a reader waits for a cache that is being made: asking the database meanwhile delays both."""
MAX_WAITING = 4
"""Readers who wait at once; the others ask the database, and a thread is left for whoever asks little."""
CHUNK = 2_048
"""Rows that are read at once: many at a time are slower, their objects leave the processor's cache."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CacheState:
    """``age_seconds`` is how long ago the cache followed the table, ``None`` before it is first there."""

    age_seconds: float | None
    deals: int
    is_whole: bool
    """Whether the ended deals are there, too."""

    @property
    def is_used(self) -> bool:
        return self.age_seconds is not None and self.age_seconds <= MAX_AGE_SECONDS

    @property
    def is_complete(self) -> bool:
        """Whether it answers whatever is asked."""
        return self.is_used and self.is_whole

    @property
    def words(self) -> str:
        """What a reader notices of it."""
        if self.age_seconds is None:
            return "being made; until it is there, lists take longer"
        if not self.is_used:
            return f"not renewed for {self.age_seconds:.0f} s; the database answers instead, and takes longer"
        if not self.is_whole:
            open_deals = counted(self.deals, "open deal")
            return f"{open_deals}; views of ended ones take longer until they are there, too"
        return counted(self.deals, "deal")


@dataclass(slots=True)
class _Cached:
    """What readers see, and what keeps it in step."""

    refresher: Refresher
    snapshot: CacheSnapshot
    synced_at: float


class ColumnCache:
    """The column cache of one database. ``start`` starts it; without a fresh one there is no ``snapshot``."""

    def __init__(self, source: Engine, clock: Clock) -> None:
        self._source = (
            source.execution_options(isolation_level="REPEATABLE READ") if _is_server(source) else source
        )
        self._clock = clock
        self.left_out = LeftOut(clock.monotonic)
        """The rows that can't be read, in the cache or by who asks the database."""
        self._cached: _Cached | None = None
        self._load_again_at = 0.0
        self._progress = threading.Condition()
        self._is_making = False
        self._places_to_wait = threading.BoundedSemaphore(MAX_WAITING)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._after_loads: Callable[[], None] = lambda: None

    def start(self, *, after_loads: Callable[[], None] = lambda: None) -> None:
        """Keep the cache in step from now on, in a thread of its own. ``after_loads`` is called when the rows
        that a cache was made of, and the one that it replaces, are in nobody's hands any more."""
        self._after_loads = after_loads
        self.announce()
        self._thread = threading.Thread(target=self._run, name="column-cache", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.distrust()

    def distrust(self) -> None:
        """Use the database itself until the next step has made a new cache."""
        self._cached = None

    def snapshot(self) -> CacheSnapshot | None:
        """The cache as it is; ``None`` while there is none that is fresh."""
        cached = self._cached
        if cached is None or self._clock.monotonic() - cached.synced_at > MAX_AGE_SECONDS:
            return None
        return replace(cached.snapshot)  # with finds of its own

    def announce(self) -> None:
        """A cached is about to be made for the first time: readers may wait for it."""
        with self._progress:
            self._is_making = True

    def wait_for(self, view: View) -> CacheSnapshot | None:
        """A snapshot that can tell of ``view`` when the cache that is being made is soon there."""

        def is_over() -> bool:
            snapshot = self.snapshot()
            return not self._is_making or (snapshot is not None and snapshot.can_tell(view))

        if not self._is_making or not self._places_to_wait.acquire(blocking=False):
            return None
        try:
            with self._progress:
                self._progress.wait_for(is_over, WAIT_TIMEOUT_SECONDS)
        finally:
            self._places_to_wait.release()
        snapshot = self.snapshot()
        return snapshot if snapshot is not None and snapshot.can_tell(view) else None

    def _tell(self, *, is_making: bool) -> None:
        with self._progress:
            self._is_making = is_making
            self._progress.notify_all()

    def state(self) -> CacheState:
        cached = self._cached
        if cached is None:
            return CacheState(None, 0, is_whole=False)
        deals = sum(int(block.arrays["is_here"].sum()) for block in cached.snapshot.blocks)
        return CacheState(self._clock.monotonic() - cached.synced_at, deals, cached.snapshot.is_whole)

    @property
    def is_catching_up(self) -> bool:
        """Whether a cache that answers everything is on its way: what is not needed now can wait for it."""
        snapshot = self.snapshot()
        return self._thread is not None and (snapshot is None or not snapshot.is_whole)

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                self.step()
                failing = False
            except Exception as error:  # noqa: BLE001  # whatever it is, pages go on without the cache
                if not failing:
                    log.warning("the column cache can't be renewed: %s", type(error).__name__)
                failing = True
            self._stopping.wait(STEP_SECONDS)

    def step(self) -> None:
        """Bring the cache up to date, or make it."""
        cached = self._cached
        if cached is None or not cached.snapshot.is_whole or self._clock.monotonic() > self._load_again_at:
            del cached
            try:
                self._load()
            finally:
                self._tell(is_making=False)
            self._after_loads()
        else:
            self._refresh(cached)

    def _refresh(self, cached: _Cached) -> None:
        now = self._clock.monotonic()
        with self._source.connect() as connection:
            cached.refresher.refresh(connection, self._clock.now())
        cached.snapshot = cached.refresher.snapshot(is_whole=cached.snapshot.is_whole)
        cached.synced_at = now

    def _load(self) -> None:
        """Copy everything, the open deals first: as soon as they are there, they answer for themselves."""
        began, old = self._clock.monotonic(), self._cached
        refresher = Refresher(self._source.dialect.name, self._clock.now(), self.left_out)
        with self._source.connect() as connection:
            refresher.read_events(connection)
            for rows in self._parts(connection, is_open=True):
                refresher.add(rows)
                self._keep_in_step()
            refresher.build()
            first = refresher.snapshot(is_whole=False)
            if old is None:
                self._cached = _Cached(refresher, first, self._clock.monotonic())
                self._tell(is_making=True)
            for rows in self._parts(connection, is_open=False):
                refresher.add(rows)
                self._keep_in_step()
        refresher.build()
        if not self._stopping.is_set():
            whole = _Cached(refresher, refresher.snapshot(is_whole=True), began)
            self._refresh(whole)  # it is as old as loading took, and readers may have seen newer
            self._cached = whole
        took = self._clock.monotonic() - began
        self._load_again_at = began + max(MIN_BETWEEN_LOADS, LOAD_SHARE * took)

    def _parts(self, connection: Connection, *, is_open: bool) -> Iterator[list[Any]]:
        """The rows in pieces. The condition is one that no index serves: a scan reads so many faster."""
        state = case((DEALS.c.ended_at.is_(None), 1), else_=0)
        query = select(*selected(connection.dialect.name)).where(state == int(is_open))
        result = connection.execution_options(yield_per=CHUNK).execute(query)
        for part in result.partitions():
            if self._stopping.is_set():
                return
            yield list(part)

    def _keep_in_step(self) -> None:
        """While a new cached is made, what readers see goes on."""
        cached = self._cached
        if cached is not None and self._clock.monotonic() - cached.synced_at > STEP_SECONDS:
            self._refresh(cached)


def _is_server(source: Engine) -> bool:
    """Whether a transaction has to ask for one consistent look; SQLite's always has it."""
    return source.dialect.name != "sqlite"
