"""How fast the dashboard answers, by deals and by database.

    .venv/bin/python -m tests.benchmarks.dashboard_speed [--deals 10000 1000000] [--database sqlite]

With ``--folder`` the filled databases are kept there, and measured again by the next call without being
filled; ``--only fill``, ``queries``, ``marks`` or ``server`` does one part alone.

Queries: p50 and p95 in ms, with the processor time of the median, since other load makes the clock lie.
Server: requests a second of the real gunicorn at 16 clients, beside a Flask view under the same gunicorn
that returns the same bytes from memory (the floor), once all asking for one view, once each for another.
"""

from __future__ import annotations

import argparse
import functools
import http.client
import itertools
import operator
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import func, select, text

from keepa_deals.clock import SystemClock
from keepa_deals.db import migrate
from keepa_deals.db.models import Deal
from keepa_deals.db.session import Database
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deployment.ports import free_port
from keepa_deals.marks.marks import NO_MARKS, Marks
from keepa_deals.query.cache.cache import ColumnCache
from keepa_deals.query.cursor import Cursor
from keepa_deals.query.filters.bounds import BOUNDS
from keepa_deals.query.parse import parse_view
from keepa_deals.query.reader import DealReader, cursor_at, reading
from keepa_deals.query.sorts import SORTS
from keepa_deals.query.view import View
from tests.support.deal_rows import ENDED, WORDS, fill_deals
from tests.support.servers.postgres import PostgresServer, find_programs

DEEP = 50_000
"""Rows before the 1,000th page."""
MARKED = 10_000
"""Deals that a reader who marks much has starred and hidden."""
CLIENTS = 16
BODY = "DASHBOARD_SPEED_BODY"
FRAGMENTS = sorted(
    {
        word[start:end].lower()
        for word in WORDS
        for start in range(len(word) - 2)
        for end in range(start + 3, len(word) + 1)
    }
)
"""What people look for, more than the cache remembers."""
LEAST = {bound.name: ["1"] for bound in BOUNDS if bound.is_lower}
VIEWS: dict[str, dict[str, list[str]]] = {
    "no filter": {},
    "one range": {"price_max": ["100"]},
    "every range": LEAST,
    "one word": {"q": ["{}"]},
    "every filter": LEAST | {"q": ["{} {}"], "lowest": ["ever"], "amazon": ["yes"], "category": ["3", "4"]},
}


def first_page(reader: DealReader, view: View) -> None:
    reader.page(view)


def all_of_it(reader: DealReader, view: View) -> None:
    """What one request of the deals page asks."""
    for ask in (DealReader.count_by_status, first_page, DealReader.count_hidden, DealReader.categories):
        ask(reader, view)


Question = Callable[[DealReader, View], Any]
QUESTIONS: dict[str, Question] = {
    "page": first_page,
    "total": DealReader.count,
    "total of each status": DealReader.count_by_status,
    "categories": DealReader.categories,
    "hidden": DealReader.count_hidden,
    "all of it": all_of_it,
}


def views(given: dict[str, list[str]]) -> Iterator[View]:
    """The view again and again, with other words each time."""
    words = itertools.cycle(random.Random(1).sample(FRAGMENTS, len(FRAGMENTS)))
    while True:
        chosen = {
            name: [value.format(next(words), next(words)) for value in values]
            for name, values in given.items()
        }
        yield parse_view(chosen, domain_id=1)


def floor() -> Flask:
    """Returns the bytes of a file from memory, and does nothing else."""
    app = Flask("floor")
    body = Path(os.environ[BODY]).read_bytes()
    app.add_url_rule("/<path:_>", "floor", lambda _="": body)
    app.add_url_rule("/", "root", lambda: body)
    return app


# -- queries -------------------------------------------------------------------------------------
class Bench:
    """The questions of a page, asked again and again of one filled database and its cache."""

    def __init__(self, database: Database, rounds: int, filled_at: datetime) -> None:
        self.database = database
        self.rounds = rounds
        self.cache = ColumnCache(database.engine, SystemClock())
        began, processor = time.perf_counter(), time.process_time()
        self.cache.step()
        self.load_seconds = time.perf_counter() - began
        self.load_processor_seconds = time.process_time() - processor
        self.as_of = AsOf(filled_at, timedelta(hours=1))

    def time(self, views: Iterator[View], ask: Question, marks: Marks = NO_MARKS) -> Timings:
        """How long the question about one view after the other takes."""
        self.cache.step()
        clocks, processors = [], []
        for view in itertools.islice(views, self.rounds):
            clock, processor = time.perf_counter(), time.process_time()
            with reading(self.database.engine, self.cache, self.as_of, marks_of=lambda _: marks) as reader:
                ask(reader, view)
                assert reader.snapshot is not None, "the cache was not used"
            clocks.append((time.perf_counter() - clock) * 1e3)
            processors.append((time.process_time() - processor) * 1e3)
        return Timings(clocks, processors)

    def marks(self) -> Marks:
        """A reader's, on deals all over the table."""
        columns = Deal.__table__.c
        with self.database.engine.connect() as connection:
            found = connection.execute(
                select(columns.domain_id, columns.asin).order_by(columns.domain_id, columns.asin)
            ).all()
        keys = [(domain_id, asin) for domain_id, asin in random.Random(1).sample(found, MARKED)]
        return Marks(0, starred=frozenset(keys), hidden=dict.fromkeys(keys))

    def page(self, view: View, cursor: Cursor | None = None) -> Timings:
        def ask(reader: DealReader, view: View) -> None:
            reader.page(view, cursor)

        return self.time(itertools.repeat(view), ask)

    def deep(self, view: View) -> Cursor:
        """The place before the 1,000th page, or the middle of a shorter list."""
        with reading(self.database.engine, self.cache, self.as_of) as reader:
            rows = min(DEEP, reader.count(view) // 2)
            places = reader.places(replace(view, limit=rows))
        return cursor_at(view, places[rows - 1])


@dataclass(frozen=True, slots=True)
class Timings:
    """How long each asking took by the clock, and the processor time of all threads, in ms."""

    clocks: list[float]
    processors: list[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.clocks)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.clocks, n=20)[-1]

    def __add__(self, other: Timings) -> Timings:
        return Timings(self.clocks + other.clocks, self.processors + other.processors)


def show(name: str, taken: Timings) -> None:
    processor = statistics.median(taken.processors)
    print(f"  {name:<46} p50 {taken.p50:6.1f}  p95 {taken.p95:6.1f}  processor {processor:6.1f}", flush=True)


def bench_queries(bench: Bench) -> dict[str, float]:
    """Print a table; the medians by name."""
    print(
        f"  the cache was made in {bench.load_seconds:.1f} s, {bench.load_processor_seconds:.1f} of processor"
    )
    medians: dict[str, float] = {}
    for status in ("live", "all"):
        firsts, deeps = {}, {}
        for sort in SORTS:
            view = parse_view({"sort": [sort], "status": [status]}, domain_id=1)
            firsts[sort] = bench.page(view)
            deeps[sort] = bench.page(view, bench.deep(view))
        for name, found in (("first page", firsts), ("1,000th page", deeps)):
            together = functools.reduce(operator.add, found.values())
            slowest = max(found, key=lambda sort: found[sort].p95)
            show(f"{status}, {name}, {len(SORTS)} orders", together)
            show(f"{status}, {name}, slowest order: {slowest}", found[slowest])
            medians[f"{status}, {name}"] = together.p50
    for name, given in VIEWS.items():
        for status in ("live", "all"):
            asked = views({**given, "status": [status]})
            for question, ask in QUESTIONS.items():
                if question != "hidden" or given:
                    show(f"{status}, {name}: {question}", bench.time(asked, ask))
    bench_marks(bench)
    bench.cache.stop()
    return medians


def bench_marks(bench: Bench) -> None:
    """What a reader waits for who has marked much, beside one who has marked nothing."""
    questions = {"page": first_page, "all of it": all_of_it, "put aside": DealReader.count_put_aside}
    for who, marks in (("nothing marked", NO_MARKS), (f"{MARKED:,} deals hidden", bench.marks())):
        for status in ("live", "all"):
            for question, ask in questions.items():
                asked = itertools.repeat(parse_view({"status": [status]}, domain_id=1))
                show(f"{status}, {who}: {question}", bench.time(asked, ask, marks))
    starred = parse_view({"status": ["all"], "marked": ["starred"]}, domain_id=1)
    show(f"all, {MARKED:,} deals starred: page", bench.time(itertools.repeat(starred), first_page, marks))


# -- server --------------------------------------------------------------------------------------
@contextmanager
def serving(app: str, environment: dict[str, str], *flags: str) -> Iterator[int]:
    """The port of a gunicorn that answers."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", *flags, "-b", f"127.0.0.1:{port}", app]
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment, "DASHBOARD_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                get(port, "/healthz")
                break
            except OSError:
                assert time.monotonic() < deadline, "gunicorn does not answer"
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=60)


def get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body


def wait_for_cache(port: int) -> None:
    """Returns when the dashboard's cache of the deals is whole."""
    deadline = time.monotonic() + 180
    while b"keepa_deals_copy_complete 1.0" not in get(port, "/metrics"):
        assert time.monotonic() < deadline, "the cache is not made"
        time.sleep(0.5)


def requests_per_second(port: int, path: Callable[[int], str], seconds: float) -> float:
    """What 16 clients get together, each over one connection."""
    done = [0] * CLIENTS
    stop = time.monotonic() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < stop:
            connection.request("GET", path(number * 1_000_000 + done[number]))
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            done[number] += 1
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def bench_server(dsn: str, home: Path, seconds: float, filled_at: datetime) -> None:
    old = datetime.now(UTC) - filled_at
    environment = {
        "KEEPA_DEALS_HOME": str(home),
        "DATABASE_URL": dsn,
        "REDIS_URL": f"unix://{home}/none.sock",
        "KEEPA_API_KEY": "k" * 64,
        "DEAL_FRESH_MINUTES": str(60 + int(old.total_seconds() / 60)),
    }
    body = home / "body"
    own = ("-c", "python:keepa_deals.web.gunicorn_conf")
    same = ("-k", "gthread", "-w", "1", "--threads", "8", "--keep-alive", "30")
    with serving("keepa_deals.web.app:create_app()", environment, *own) as port:
        wait_for_cache(port)
        body.write_bytes(get(port, "/"))
        with serving("tests.benchmarks.dashboard_speed:floor()", {BODY: str(body)}, *same) as floor_port:
            rates: dict[str, list[float]] = {}
            paths: dict[str, tuple[int, Callable[[int], str]]] = {
                "floor": (floor_port, lambda _: "/"),
                "one view": (port, lambda _: "/"),
                "each another view": (port, lambda n: f"/?price_max={1 + n % 90_000}"),
                "API, one view": (port, lambda _: "/api/deals"),
            }
            for _ in range(3):
                for name, (which, path) in paths.items():
                    rates.setdefault(name, []).append(requests_per_second(which, path, seconds))
    base = statistics.median(rates["floor"])
    print(f"  requests a second, {CLIENTS} clients, {body.stat().st_size / 1000:.0f} kB a page:")
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"  {name:<34} {rate:7.0f}  {rate / base:5.2f} of the floor", flush=True)


# -- all -----------------------------------------------------------------------------------------
@contextmanager
def databases(kinds: list[str], folder: Path, ended: float) -> Iterator[dict[str, Callable[[int], str]]]:
    """The address of the database with so many deals, by kind; kept in ``folder``."""
    found: dict[str, Callable[[int], str]] = {}
    kind = "" if ended == ENDED else f"_ended_{ended * 100:.0f}"
    if "sqlite" in kinds:
        found["sqlite"] = lambda count: f"sqlite:///{folder / f'sqlite-{count}{kind}.db'}"
    programs = find_programs()
    if "postgresql" not in kinds or programs is None:
        yield found
        return
    server = PostgresServer(programs, folder=folder / "pg")
    server.start()
    try:
        yield {**found, "postgresql": lambda count: server.named(f"deals_{count}{kind}")}
    finally:
        server.stop()


def filled(dsn: str, count: int, ended: float) -> datetime:
    """When the database was filled with so many deals; fills it when it is empty."""
    database = Database(dsn)
    migrate.upgrade(database)
    newest = select(func.max(Deal.last_seen_at))
    with database.session() as session:
        at = session.scalar(newest)
    if at is None:
        began = time.perf_counter()
        fill_deals(database.engine, count, datetime.now(UTC), ended=ended)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        print(f"  filled in {time.perf_counter() - began:.0f} s", flush=True)
        with database.session() as session:
            at = session.scalar(newest)
    database.close()
    assert at is not None
    return at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--database", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ended", type=float, default=ENDED, help="the part of the deals that have ended")
    parser.add_argument("--only", choices=("fill", "queries", "marks", "server"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keepa-deals-speed-") as temporary:
        Path(temporary).chmod(0o711)  # PostgreSQL may run as another user
        with databases(options.database, options.folder or Path(temporary), options.ended) as kinds:
            for kind, address in kinds.items():
                by_size = {count: bench_one(kind, address(count), count, options) for count in options.deals}
                if all(by_size.values()):
                    compare(by_size)


def bench_one(kind: str, dsn: str, count: int, options: argparse.Namespace) -> dict[str, float]:
    print(f"\n{kind}, {count:,} deals", flush=True)
    filled_at = filled(dsn, count, options.ended)
    medians: dict[str, float] = {}
    if options.only in (None, "queries"):
        database = Database(dsn)
        medians = bench_queries(Bench(database, options.rounds, filled_at))
        database.close()
    if options.only == "marks":
        database = Database(dsn)
        bench = Bench(database, options.rounds, filled_at)
        bench_marks(bench)
        bench.cache.stop()
        database.close()
    if options.only in (None, "server"):
        with tempfile.TemporaryDirectory(prefix="keepa-deals-home-") as home:
            bench_server(dsn, Path(home), options.seconds, filled_at)
    return medians


def compare(by_size: dict[int, dict[str, float]]) -> None:
    sizes = sorted(by_size)
    largest = by_size[sizes[-1]]
    for status in ("live", "all"):
        depth = largest[f"{status}, 1,000th page"] / largest[f"{status}, first page"]
        print(f"\n  {status}: 1,000th page / first page: {depth:.2f}")
        if len(sizes) > 1:
            name = f"{status}, first page"
            ratio = largest[name] / by_size[sizes[0]][name]
            print(f"  {status}: {sizes[-1]:,} / {sizes[0]:,} deals, first page: {ratio:.2f}")


if __name__ == "__main__":
    main()
