"""A whole deployment beside slow connections: the slowest pages, and the upserter's runs that were missed.

    .venv/bin/python -m tests.benchmarks.slow_connections [--minutes 10] [--each 50] [--deals 20000]

Starts the service with the sandbox in a home of its own, as it is started by default (a run of the upserter
a minute) but for a tick of 2 s, and fills its table with ended deals, so that an export is no small answer.
One reader reads a page and asks the probe, twice a second at most: first alone, then beside the connections
(``tests/support/slow_connections.py``). A missed run: an interval in which no run began that then succeeded.
Prints JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

from keepa_deals.db.session import Database
from tests.faults.invariants import UPSERTER
from tests.support.deal_rows import fill_deals
from tests.support.deployment import Service
from tests.support.slow_connections import slow_connections

INTERVAL = 60
"""Seconds between two runs of the upserter."""
PAGES = (
    *("/", "/?status=all&sort=price", "/?q=cable&status=all", "/deals/{asin}", "/feed.atom"),
    *("/api/deals", "/health"),
)
PROBE = "/healthz"
HELD = ("idle", "headers", "body", "unread")
"""Kinds of connections that the server has to hold for a while; many requests at once it ends in seconds."""
ALONE = 120.0
"""Seconds of reading without slow connections, to compare with."""
TIME_OUT = 30
EVERY = 0.5
"""Seconds from one page to the next, where they are answered sooner."""


def measured(service: Service, seconds: float) -> dict[str, Any]:
    """What reading for so long was like, and what the upserter did meanwhile."""
    began, ends = datetime.now(UTC), time.monotonic() + seconds
    with _database(service) as database:
        asin = "{}/{}".format(
            *database.execute("SELECT domain_id, asin FROM deals WHERE ended_at IS NULL").fetchone()
        )
    took: dict[str, list[float]] = {path: [] for path in (*PAGES, PROBE)}
    failed: Counter[str] = Counter()
    for path in cycle(PAGES):
        next_at = time.monotonic() + EVERY
        for asked in (path, PROBE):
            start = time.monotonic()
            try:
                address = service.address + asked.format(asin=asin)
                with urllib.request.urlopen(address, timeout=TIME_OUT) as answer:
                    answer.read()
                took[asked].append(time.monotonic() - start)
            except OSError as error:
                failed[f"{asked}: {error}"] += 1
        if time.monotonic() > ends:
            break
        time.sleep(max(0.0, next_at - time.monotonic()))  # a reader's pace
    pages = [one for path in PAGES for one in took[path]]
    return {
        "pages": _summary(pages),
        PROBE: _summary(took[PROBE]),
        "slowest_by_page": {path: round(max(took[path], default=0.0), 2) for path in PAGES},
        "failed": dict(failed),
        "upserter": runs(service, began, datetime.now(UTC)),
        "load": round(os.getloadavg()[0], 1),
    }


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "read": len(seconds),
        "median": round(statistics.median(seconds), 3),
        "slowest": round(max(seconds), 2),
    }


def runs(service: Service, began: datetime, ended: datetime) -> dict[str, Any]:
    """The upserter's runs that began in this time; how many intervals had none that succeeded."""
    with _database(service) as database:
        rows = database.execute(
            "SELECT started_at, outcome FROM job_runs WHERE name = ? ORDER BY started_at", (UPSERTER,)
        ).fetchall()
    within = [(datetime.fromisoformat(at).replace(tzinfo=UTC), outcome) for at, outcome in rows]
    within = [(at, outcome) for at, outcome in within if began <= at <= ended]
    moments = [began, *(at for at, outcome in within if outcome == "succeeded"), ended]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    return {
        "runs": dict(Counter(outcome for _, outcome in within)),
        "missed": sum(max(0, round(gap / INTERVAL) - 1) for gap in gaps),
        "longest_gap": round(max(gaps), 1),
    }


@contextlib.contextmanager
def _database(service: Service) -> Iterator[Any]:
    address = f"file:{service.home / 'deals.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as database:
        yield database


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--each", type=int, default=50, help="connections of each kind")
    parser.add_argument("--deals", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keepa-deals-slow-") as folder:
        service = Service(Path(folder) / "home", UPSERT_INTERVAL_SECONDS=str(INTERVAL))
        try:
            service.start()
            service.wait_for(lambda s: s["jobs"]["backfill_deals"]["last_success_at"], 300)
            database = Database(f"sqlite:///{service.home / 'deals.db'}")
            fill_deals(database.engine, options.deals, datetime.now(UTC), ended=1.0, chunk=1000)
            database.close()
            print(json.dumps({"alone": measured(service, ALONE)}), flush=True)
            with slow_connections(service.address, **dict.fromkeys(HELD, options.each)) as end:
                beside = measured(service, options.minutes * 60)
                connections = end()
            print(json.dumps({"beside": beside, "connections": connections}))
        finally:
            service.kill()


if __name__ == "__main__":
    main()
