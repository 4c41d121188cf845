"""How fast pages of 150 deals reach tables of 10 thousand and 1 million rows, on SQLite and PostgreSQL.

    .venv/bin/python tests/benchmarks/upsert_speed.py [--sizes 10000,1000000] [--pages 40] [--rounds 5]

Three things on the same rows, each page in a transaction of its own, in turns:
  driver        the driver's own executemany of the very statement that the upsert sends, values converted
                beforehand: what the database can do at all
  statement     upsert_deals(): the same statement through SQLAlchemy
  apply_listed  all that a page costs the service: reading the old rows, lifecycle, economics, points of
                history (a tenth of the prices are new), the upsert, and the proof of what the page lacks
Rows a second; medians of the rounds. A page updates rows all over the table.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sqlalchemy import text

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.db.upsert import lock_writers, upsert_deals, upsert_statement
from keepa_deals.ingest.columns import columns_of
from keepa_deals.ingest.feed.coverage import Coverage
from keepa_deals.ingest.feed.mapping import FeedRow, feed_rows
from keepa_deals.ingest.writes import apply_listed, note_unlisted
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.envelope import TokenEnvelope
from tests.support.servers.postgres import PostgresServer, find_programs
from tests.support.world import make_deal

PAGE = 150
OPEN = 10_000
"""Deals that have not ended, as many as the feed shows at most; the rest of a table is the past."""
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Row = dict[str, Any]


def make_rows(numbers: Sequence[int], price: int) -> list[FeedRow]:
    """Feed rows of these deals."""
    deals = tuple(
        make_deal(f"B{number:09d}", created=START - timedelta(seconds=number), price=price)
        for number in numbers
    )
    page = DealPage(deals, {283155: "Books"}, {283155: OPEN}, TokenEnvelope(0, 1, 1, 1, 0.0, 5, 1))
    return feed_rows(page, domain_id=1, price_type=CsvType.NEW)


def complete(rows: Sequence[FeedRow], at: datetime) -> list[Row]:
    """With the columns that ``apply_listed`` adds."""
    life = {
        "first_seen_at": at, "last_seen_at": at, "listed_at": at, "unlisted_at": None, "point_at": at,
        "changed_at": at, "stale_noted_at": None, "ended_at": None, "ended_reason": None,
        "sell_price": None, "profit": None, "roi_bp": None, "margin_bp": None, "found_at": at,
        "suspected_reason": None, "shown_asin": None, "sibling_since": None, "has_siblings": False,
    }  # fmt: skip
    return [{**columns_of(row), **life} for row in rows]


def fill(database: Database, size: int) -> None:
    """``size`` deals, of which all but the last ``OPEN`` ended long ago."""
    for first in range(0, size, 5000):
        numbers = range(first, min(size, first + 5000))
        rows = complete(make_rows(numbers, 1500), START)
        for number, row in zip(numbers, rows, strict=True):
            if number < size - OPEN:
                row["ended_at"], row["ended_reason"] = START, "price_recovered"
        with database.begin() as session:
            upsert_deals(session, rows)
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


class Table:
    """One filled table and the three ways to write a page into it."""

    def __init__(self, database: Database, size: int) -> None:
        self.database = database
        self.size = size
        self._random = random.Random(7)
        self._at = START

    def pages(self, count: int) -> list[list[FeedRow]]:
        """Pages of deals that are open, in no order; one in ten has a new price each time."""
        self._at += timedelta(minutes=1)
        pages = []
        for _ in range(count):
            numbers = self._random.sample(range(self.size - OPEN, self.size), PAGE)
            new = {n for n in numbers if self._random.random() < 0.1}
            price = self._random.randint(900, 1900)
            rows = [*make_rows([n for n in numbers if n not in new], 1500), *make_rows(sorted(new), price)]
            pages.append(rows)
        return pages

    def driver(self, pages: list[list[FeedRow]]) -> Callable[[], None]:
        """The driver's executemany; values as SQLAlchemy would hand them over, made beforehand."""
        batches = [_compiled(self.database, complete(rows, self._at)) for rows in pages]

        def work() -> None:
            for sql, values in batches:
                with self._transaction() as raw:
                    raw.cursor().executemany(sql, values)

        return work

    def statement(self, pages: list[list[FeedRow]]) -> Callable[[], None]:
        batches = [complete(rows, self._at) for rows in pages]

        def work() -> None:
            for rows in batches:
                with self.database.begin() as session:
                    upsert_deals(session, rows)

        return work

    def apply_listed(self, pages: list[list[FeedRow]]) -> Callable[[], None]:
        at, coverage = self._at, Coverage(START + HOUR, START)

        def work() -> None:
            for rows in pages:
                with self.database.begin() as session:
                    lock_writers(session)
                    apply_listed(session, rows, at, HOUR)
                    note_unlisted(session, 1, coverage, at)

        return work

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self.database.engine.connect() as connection:
            if self.database.is_sqlite:
                raw = connection.connection.dbapi_connection
                assert raw is not None
                raw.execute("BEGIN IMMEDIATE")
                yield raw
                raw.execute("COMMIT")
            else:
                raw = connection.connection.dbapi_connection
                yield raw
                assert raw is not None
                raw.commit()


def _compiled(database: Database, rows: list[Row]) -> tuple[str, list[Any]]:
    """The upsert's statement as the driver takes it, and its values converted."""
    dialect = database.engine.dialect
    with database.session() as session:
        statement = upsert_statement(session, list(rows[0]))
    compiled = statement.compile(dialect=dialect, column_keys=list(rows[0]))
    convert = compiled._bind_processors  # the private twin of what execution uses
    values = []
    for row in rows:
        made = compiled.construct_params(row)
        made = {k: convert[k](v) if k in convert else v for k, v in made.items()}
        values.append([made[k] for k in compiled.positiontup] if compiled.positional else made)  # type: ignore[union-attr]
    return str(compiled), values


WAYS = ("driver", "statement", "apply_listed")
Rates = dict[str, float]


def measure(tables: Sequence[Table], pages: int, rounds: int) -> list[Rates]:
    """Rows a second of each way into each table: the median of the rounds, in which all take turns."""
    found: dict[tuple[int, str], list[float]] = {}
    for number in range(rounds + 1):
        for table in tables:
            for name in WAYS:
                work = getattr(table, name)(table.pages(pages))
                began = time.perf_counter()
                work()
                if number:  # the first round warms caches
                    rate = pages * PAGE / (time.perf_counter() - began)
                    found.setdefault((table.size, name), []).append(rate)
    return [{name: statistics.median(found[table.size, name]) for name in WAYS} for table in tables]


def run(name: str, dsns: dict[int, str], pages: int, rounds: int) -> None:
    tables = []
    for size, dsn in dsns.items():
        database = Database(dsn)
        migrate.upgrade(database)
        fill(database, size)
        tables.append(Table(database, size))
    results = measure(tables, pages, rounds)
    smallest = results[0]
    for table, rates in zip(tables, results, strict=True):
        driver, statement, whole = (rates[way] for way in WAYS)
        print(
            f"{name:11} {table.size:9,} {driver:9,.0f} {statement:10,.0f} {statement / driver:6.2f} "
            f"{whole:13,.0f} {whole / driver:6.2f}   "
            + " ".join(f"{smallest[w] / rates[w]:5.2f}" for w in WAYS),
            flush=True,
        )
        table.database.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", default="10000,1000000")
    arguments.add_argument("--pages", type=int, default=40)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    print(
        f"{'':11} {'rows':>9} {'driver':>9} {'statement':>10} {'ratio':>6} {'apply_listed':>13} {'ratio':>6}"
        "   slower than into the smallest table: driver, statement, apply_listed"
    )
    with tempfile.TemporaryDirectory() as folder:
        run("SQLite", {n: f"sqlite:///{folder}/{n}.db" for n in sizes}, options.pages, options.rounds)
    programs = find_programs()
    if programs is None:
        print("PostgreSQL is not installed")
        return
    server = PostgresServer(programs)
    server.start()
    try:
        dsns = {size: server.create(f"deals_{size}") for size in sizes}
        run("PostgreSQL", dsns, options.pages, options.rounds)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
