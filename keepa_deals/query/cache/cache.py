"""Keeps the copy in step with the database: changed rows every few seconds, everything now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, case, select

from keepa_deals.clock import Clock
from keepa_deals.query.cache.columns import DEALS, selected
from keepa_deals.query.cache.refresh import Follower
from keepa_deals.query.cache.scan import Look
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.view import View

log = logging.getLogger(__name__)

STEP_SECONDS = 2.0
OLDEST_SECONDS = 15.0
"""A copy that could not be renewed for longer is not used: the database is asked itself."""
LOAD_SHARE = 100
"""Everything is copied anew after so many times as long as it took: one percent of a core."""
LEAST_BETWEEN_LOADS = 60.0
PATIENCE_SECONDS = 20.0
"""How long a reader waits for a copy that is being made: asking the database meanwhile delays both."""
MOST_WAITING = 4
"""Readers who wait at once; the others ask the database, and a thread is left for whoever asks little."""
CHUNK = 2_048
"""Rows that are read at once: many at a time are slower, their objects leave the processor's cache."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CopyState:
    """``age_seconds`` is how long ago the copy followed the table, ``None`` before it is first there."""

    age_seconds: float | None
    deals: int
    is_whole: bool
    """Whether the ended deals are there, too."""

    @property
    def is_used(self) -> bool:
        return self.age_seconds is not None and self.age_seconds <= OLDEST_SECONDS

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
            return f"{self.deals:,} open deals; views of ended ones take longer until they are there, too"
        return f"{self.deals:,} deals"


@dataclass(slots=True)
class _Copy:
    """What readers see, and what keeps it in step."""

    follower: Follower
    look: Look
    synced_at: float


class Replica:
    """The copy of one database. ``start`` starts it; without a fresh copy there is no ``look``."""

    def __init__(self, source: Engine, clock: Clock) -> None:
        self._source = (
            source.execution_options(isolation_level="REPEATABLE READ") if _is_server(source) else source
        )
        self._clock = clock
        self.left_out = LeftOut(clock.monotonic)
        """The rows that can't be read, in the copy or by who asks the database."""
        self._copy: _Copy | None = None
        self._load_again_at = 0.0
        self._progress = threading.Condition()
        self._is_making = False
        self._places_to_wait = threading.BoundedSemaphore(MOST_WAITING)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Keep the copy in step from now on, in a thread of its own."""
        self.announce()
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.distrust()

    def distrust(self) -> None:
        """Use the database itself until the next step has made a new copy."""
        self._copy = None

    def look(self) -> Look | None:
        """A consistent look at the copy; ``None`` while there is none that is fresh."""
        copy = self._copy
        if copy is None or self._clock.monotonic() - copy.synced_at > OLDEST_SECONDS:
            return None
        return replace(copy.look)  # with finds of its own

    def announce(self) -> None:
        """A copy is about to be made for the first time: readers may wait for it."""
        with self._progress:
            self._is_making = True

    def wait_for(self, view: View) -> Look | None:
        """A look that can tell of ``view`` when the copy that is being made is soon there."""

        def is_over() -> bool:
            look = self.look()
            return not self._is_making or (look is not None and look.can_tell(view))

        if not self._is_making or not self._places_to_wait.acquire(blocking=False):
            return None
        try:
            with self._progress:
                self._progress.wait_for(is_over, PATIENCE_SECONDS)
        finally:
            self._places_to_wait.release()
        look = self.look()
        return look if look is not None and look.can_tell(view) else None

    def _tell(self, *, is_making: bool) -> None:
        with self._progress:
            self._is_making = is_making
            self._progress.notify_all()

    def state(self) -> CopyState:
        copy = self._copy
        if copy is None:
            return CopyState(None, 0, is_whole=False)
        deals = sum(int(block.arrays["is_here"].sum()) for block in copy.look.blocks)
        return CopyState(self._clock.monotonic() - copy.synced_at, deals, copy.look.is_whole)

    @property
    def is_catching_up(self) -> bool:
        """Whether a copy that answers everything is on its way: what is not needed now can wait for it."""
        look = self.look()
        return self._thread is not None and (look is None or not look.is_whole)

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
        copy = self._copy
        if copy is None or not copy.look.is_whole or self._clock.monotonic() > self._load_again_at:
            try:
                self._load()
            finally:
                self._tell(is_making=False)
        else:
            self._follow(copy)

    def _follow(self, copy: _Copy) -> None:
        now = self._clock.monotonic()
        with self._source.connect() as connection:
            copy.follower.follow(connection, self._clock.now())
        copy.look = copy.follower.look(is_whole=copy.look.is_whole)
        copy.synced_at = now

    def _load(self) -> None:
        """Copy everything, the open deals first: as soon as they are there, they answer for themselves."""
        began, old = self._clock.monotonic(), self._copy
        follower = Follower(self._source.dialect.name, self._clock.now(), self.left_out)
        with self._source.connect() as connection:
            follower.read_events(connection)
            for rows in self._parts(connection, is_open=True):
                follower.add(rows)
                self._keep_in_step()
            follower.build()
            first = follower.look(is_whole=False)
            if old is None:
                self._copy = _Copy(follower, first, self._clock.monotonic())
                self._tell(is_making=True)
            for rows in self._parts(connection, is_open=False):
                follower.add(rows)
                self._keep_in_step()
        follower.build()
        if not self._stopping.is_set():
            whole = _Copy(follower, follower.look(is_whole=True), began)
            self._follow(whole)  # it is as old as loading took, and readers may have seen newer
            self._copy = whole
        took = self._clock.monotonic() - began
        self._load_again_at = began + max(LEAST_BETWEEN_LOADS, LOAD_SHARE * took)

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
        """While a new copy is made, what readers see goes on."""
        copy = self._copy
        if copy is not None and self._clock.monotonic() - copy.synced_at > STEP_SECONDS:
            self._follow(copy)


def _is_server(source: Engine) -> bool:
    """Whether a transaction has to ask for one consistent look; SQLite's always has it."""
    return source.dialect.name != "sqlite"


@dataclass
class Reading:
    """One request's look: ``execute`` asks the database, ``ask`` the copy while there is a fresh one."""

    connection: Connection
    look: Look | None = None
    replica: Replica | None = None

    def execute(self, query: Any) -> Any:
        return self.connection.execute(query)

    def ask(self, view: View, of_copy: Callable[[Look], T], of_database: Callable[[Connection], T]) -> T:
        """The copy's answer about a view, or the database's."""
        if self.replica is not None and (self.look is None or not self.look.can_tell(view)):
            self.look = self.replica.wait_for(view) or self.look
        if self.look is not None and self.look.can_tell(view):
            try:
                return of_copy(self.look)
            except Exception as error:  # noqa: BLE001  # whatever it is, the database knows
                log.warning("the copy of the deals gave no answer (%s)", type(error).__name__)
                if self.replica is not None and not self.look.is_sound:
                    self.replica.distrust()  # else it was the question
                self.look = None
        return of_database(self.connection)


@contextmanager
def reading(source: Engine, replica: Replica) -> Iterator[Reading]:
    """A look at the database and at its copy."""
    with source.connect() as connection:
        yield Reading(connection, replica.look(), replica)
