"""What the views need beside the request: settings, database, clock, and a look at the service's health."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from flask import Flask, current_app
from sqlalchemy import Connection, Engine

from keepa_deals import health
from keepa_deals.clock import Clock, SystemClock
from keepa_deals.db import seller_terms
from keepa_deals.db.session import Database
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.deals.freshness import AsOf
from keepa_deals.errors import SettingsError
from keepa_deals.health.report import HealthReport
from keepa_deals.jobs import Job
from keepa_deals.marks.marks import Marks
from keepa_deals.marks.reading import MarksMemory
from keepa_deals.notifier_wake import NotifierWake
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.directory import Directory
from keepa_deals.query.cache.cache import ColumnCache
from keepa_deals.query.cache.snapshot import CacheSnapshot
from keepa_deals.query.reader import DealReader, reading
from keepa_deals.query.view_counts import ViewCounts
from keepa_deals.redis_store import Keys, connect_probe
from keepa_deals.settings import Settings
from keepa_deals.web.http import throttle
from keepa_deals.web.http.throttle import Throttle
from keepa_deals.worker.dispatch import send

HEALTH_SECONDS = 3.0
"""Pages within this time share one look at the service, so that many readers don't become load."""


class HealthWatch:
    """The latest health report, at most ``HEALTH_SECONDS`` old; concurrent callers share one look."""

    def __init__(self, collect: Callable[[], HealthReport], clock: Clock) -> None:
        self._collect = collect
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: tuple[float, HealthReport] | None = None

    def report(self) -> HealthReport:
        taken = self._taken
        if taken is not None and self._clock.monotonic() - taken[0] < HEALTH_SECONDS:
            return taken[1]
        with self._lock:
            if self._taken is taken or self._taken is None:
                self._taken = (self._clock.monotonic(), self._collect())
            return self._taken[1]

    def refresh(self) -> HealthReport:
        """A report of this very moment, for whoever acts on it; the pages share it afterwards."""
        self.forget()
        return self.report()

    def forget(self) -> None:
        """Let the next caller look anew: something was changed."""
        with self._lock:
            self._taken = None


@dataclass(frozen=True)
class Services:
    """The connections and the configuration of one application."""

    settings: Settings
    database: Database
    clock: Clock
    health: HealthWatch
    people: Directory
    column_cache: ColumnCache
    marks: MarksMemory
    view_counts: ViewCounts
    throttle: Throttle
    send: Callable[[Job], None]
    """Sends a job to its queue."""
    wake_notifier: Callable[[], None]
    """Tells the notifier that there is something to send."""

    @property
    def engine(self) -> Engine:
        """For reading; ``database.begin()`` writes."""
        return self.database.engine

    def as_of(self) -> AsOf:
        """This moment, and which deals are live at it."""
        return AsOf(self.clock.now(), self.settings.fresh_for)

    def pricing(self) -> Pricing:
        """How the seller reckons, at this moment."""
        with self.engine.connect() as connection:
            return seller_terms.pricing(connection, self.settings, self.clock.now())

    def reading(
        self, as_of: AsOf, person_id: int | None, snapshot: CacheSnapshot | None = None
    ) -> AbstractContextManager[DealReader]:
        """A reader of the deals for one request of a person; with a ``snapshot``, of that one."""

        def marks_of(connection: Connection) -> Marks:
            return self.marks.read(connection, person_id)

        return reading(self.engine, self.column_cache, as_of, snapshot, marks_of)


def build(settings: Settings, clock: Clock | None = None) -> Services:
    """The services of a deployment; connects to nothing yet."""
    clock = clock or SystemClock()
    database = Database(settings.database_dsn)
    engine = database.engine
    column_cache = ColumnCache(engine, clock)

    def collect() -> HealthReport:
        report = health.collect(settings, clock=clock, engine=engine)
        return replace(report, unreadable=column_cache.left_out.report())

    watch = HealthWatch(collect, clock)
    return Services(
        settings=settings,
        database=database,
        clock=clock,
        health=watch,
        people=Directory(database, AccessFile(settings.keepa_deals_home), clock),
        column_cache=column_cache,
        marks=MarksMemory(),
        view_counts=ViewCounts(clock.monotonic),
        throttle=throttle.build(settings),
        send=send,
        wake_notifier=wake_of(settings),
    )


def wake_of(settings: Settings) -> Callable[[], None]:
    """Wakes the notifier; one that can't be woken looks by itself within seconds."""

    def wake() -> None:
        try:
            client = connect_probe(settings)
        except SettingsError:
            return
        with client:
            NotifierWake(client, Keys(settings.redis_key_prefix)).wake()

    return wake


EXTENSION = "keepa_deals"


def attach(app: Flask, services: Services) -> None:
    app.extensions[EXTENSION] = services


def current_services() -> Services:
    """The services of the application that handles the present request."""
    services = current_app.extensions[EXTENSION]
    assert isinstance(services, Services)
    return services
