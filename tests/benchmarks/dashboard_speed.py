"""How fast the dashboard answers, by deals and by database.

    .venv/bin/python -m tests.benchmarks.dashboard_speed [--deals 10000 1000000] [--database sqlite]

Queries: p50 and p95 in ms, with the processor time of the median, since other load makes the clock lie.
Server: requests a second of the real gunicorn at 16 clients, beside a Flask view under the same gunicorn
that returns the same bytes from memory (the floor), once all asking for one view, once each for another.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask

from keepa_deals.clock import SystemClock
from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.web import store
from keepa_deals.web.columns import RANGES, SORTS
from keepa_deals.web.paging import Cursor
from keepa_deals.web.replica.replica import Reading, Replica, reading
from keepa_deals.web.store import Moment
from keepa_deals.web.view import View, parse_view
from tests.support.deals import fill_deals
from tests.support.postgres import PostgresServer, find_programs
from tests.support.redis_server import free_port

DEEP = 50_000
"""Rows before the 1,000th page."""
CLIENTS = 16
BODY = "DASHBOARD_SPEED_BODY"
LEAST = {name: ["1"] for name, bound in RANGES.items() if bound.lower}
VIEWS: dict[str, dict[str, list[str]]] = {
    "no filter": {},
    "one range": {"price_max": ["100"]},
    "every range": LEAST,
    "one word": {"q": ["cable"]},
    "every filter": LEAST
    | {"q": ["cable steel"], "lowest": ["ever"], "amazon": ["yes"], "category": ["3", "4"]},
}


def floor() -> Flask:
    """Returns the bytes of a file from memory, and does nothing else."""
    app = Flask("floor")
    body = Path(os.environ[BODY]).read_bytes()
    app.add_url_rule("/<path:_>", "floor", lambda _="": body)
    app.add_url_rule("/", "root", lambda: body)
    return app


# -- queries -------------------------------------------------------------------------------------
class Bench:
    """The questions of a page, asked again and again of one filled database and its copy."""

    def __init__(self, database: Database, rounds: int) -> None:
        self.database = database
        self.rounds = rounds
        self.replica = Replica(database.engine, SystemClock())
        began = time.perf_counter()
        self.replica.step()
        self.load_seconds = time.perf_counter() - began
        self.moment = Moment(datetime.now(UTC), timedelta(days=1))

    def time(self, ask: Callable[[Reading], Any]) -> tuple[float, float, float]:
        """p50, p95 and the processor time of the median, in ms."""
        self.replica.step()
        taken = []
        for _ in range(self.rounds):
            clock, processor = time.perf_counter(), time.process_time()
            with reading(self.database.engine, self.replica) as reads:
                ask(reads)
                assert reads.look is not None, "the copy was not used"
            taken.append(((time.perf_counter() - clock) * 1e3, (time.process_time() - processor) * 1e3))
        clocks = sorted(clock for clock, _ in taken)
        p95 = clocks[min(len(clocks) - 1, int(len(clocks) * 0.95))]
        return statistics.median(clocks), p95, statistics.median(cpu for _, cpu in taken)

    def page(self, view: View, cursor: Cursor | None = None) -> tuple[float, float, float]:
        return self.time(lambda reads: store.read_page(reads, view, self.moment, cursor))

    def deep(self, view: View) -> Cursor:
        """The place before the 1,000th page, or the middle of a shorter list."""
        with reading(self.database.engine, self.replica) as reads:
            rows = min(DEEP, store.count(reads, view, self.moment) // 2)
            places = reads.ask(
                lambda c, look: store._places(replace(view, limit=rows), self.moment, None, c, look)
            )
        return store._cursor(view, places[-1])


def show(name: str, taken: tuple[float, float, float]) -> None:
    print(f"  {name:<34} p50 {taken[0]:7.1f}  p95 {taken[1]:7.1f}  processor {taken[2]:6.1f}", flush=True)


def bench_queries(bench: Bench) -> dict[str, float]:
    """Print a table; the medians by name."""
    print(f"  the copy was made in {bench.load_seconds:.1f} s")
    medians: dict[str, float] = {}
    firsts, deeps = [], []
    for sort in SORTS:
        view = parse_view({"sort": [sort]}, domain_id=1)
        firsts.append(bench.page(view))
        deeps.append(bench.page(view, bench.deep(view)))
    for name, found in (("first page", firsts), ("1,000th page", deeps)):
        for which, pick in (("median sort", statistics.median), ("slowest sort", max)):
            taken = (pick(x[0] for x in found), pick(x[1] for x in found), pick(x[2] for x in found))
            show(f"{name}, {which} of {len(SORTS)}", taken)
            medians[f"{name}, {which}"] = taken[0]
    for name, given in VIEWS.items():
        view = parse_view(given, domain_id=1)
        show(f"{name}: page", first := bench.page(view))
        show(f"{name}: total", bench.time(lambda r, v=view: store.count(r, v, bench.moment)))
        show(f"{name}: categories", bench.time(lambda r, v=view: store.count_categories(r, v, bench.moment)))
        if given:
            show(f"{name}: hidden", bench.time(lambda r, v=view: store.count_hidden(r, v, bench.moment)))
        medians[name] = first[0]
    bench.replica.stop()
    return medians


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


def bench_server(dsn: str, home: Path, seconds: float, load_seconds: float) -> None:
    environment = {
        "KEEPA_DEALS_HOME": str(home),
        "DATABASE_URL": dsn,
        "REDIS_URL": f"unix://{home}/none.sock",
        "KEEPA_API_KEY": "k" * 64,
        "DEAL_FRESH_MINUTES": "1440",
    }
    body = home / "body"
    own = ("-c", "python:keepa_deals.web.gunicorn_conf")
    same = ("-k", "gthread", "-w", "1", "--threads", "8", "--keep-alive", "30")
    with serving("keepa_deals.web.app:create_app()", environment, *own) as port:
        time.sleep(2 * load_seconds + 3)  # until the copy is there
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
def databases(kinds: list[str]) -> Iterator[dict[str, Callable[[Path], str]]]:
    found: dict[str, Callable[[Path], str]] = {"sqlite": lambda home: f"sqlite:///{home / 'deals.db'}"}
    programs = find_programs()
    if "postgresql" not in kinds or programs is None:
        yield {kind: found[kind] for kind in kinds if kind in found}
        return
    server = PostgresServer(programs)
    server.start()
    try:
        yield {kind: found.get(kind, lambda _: server.empty_dsn()) for kind in kinds}
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deals", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--database", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    with databases(options.database) as kinds:
        for kind, address in kinds.items():
            by_size = {}
            for count in options.deals:
                with tempfile.TemporaryDirectory(prefix="keepa-deals-speed-") as folder:
                    home = Path(folder)
                    dsn = address(home)
                    by_size[count] = bench_one(kind, dsn, home, count, options)
            compare(by_size)


def bench_one(kind: str, dsn: str, home: Path, count: int, options: argparse.Namespace) -> dict[str, float]:
    database = Database(dsn)
    migrate.upgrade(database)
    began = time.perf_counter()
    fill_deals(database.engine, count, datetime.now(UTC))
    print(f"\n{kind}, {count:,} deals (filled in {time.perf_counter() - began:.0f} s)", flush=True)
    bench = Bench(database, options.rounds)
    medians = bench_queries(bench)
    database.close()
    bench_server(dsn, home, options.seconds, bench.load_seconds)
    return medians


def compare(by_size: dict[int, dict[str, float]]) -> None:
    sizes = sorted(by_size)
    largest = by_size[sizes[-1]]
    depth = largest["1,000th page, median sort"] / largest["first page, median sort"]
    print(f"\n  1,000th page / first page: {depth:.2f}")
    if len(sizes) > 1:
        name = "first page, median sort"
        print(f"  {sizes[-1]:,} / {sizes[0]:,} deals: {largest[name] / by_size[sizes[0]][name]:.2f}")


if __name__ == "__main__":
    main()
