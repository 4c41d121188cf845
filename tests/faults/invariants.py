"""What a fault must leave as it was: read from the deployment's database and from the sandbox's truth."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.time import to_keepa_minutes
from tests.support.deployment import Service
from tests.support.servers.sandbox import ask

UPSERTER = UPSERT_JOB.name
NEXT_STATES = {
    None: {"found", "present"},
    "found": {"stale", "ended"},
    "present": {"stale", "ended"},
    "stale": {"live_again", "ended"},
    "live_again": {"stale", "ended"},
    "ended": {"returned"},
    "returned": {"stale", "ended"},
}
"""The events that may follow each other in a deal's life: anything else was written twice or not at all."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The deals of a table and how far the upserter had read, at one moment."""

    asins: frozenset[str]
    open: frozenset[str]
    """Those that have not ended."""
    watermark: str | None
    minute: int
    """When this was read, in Keepa minutes."""

    def lost_since(self, earlier: Ledger) -> Sequence[str]:
        """What was there and is no longer, in words."""
        gone = sorted(earlier.asins - self.asins)
        words = [f"{asin} has vanished" for asin in gone]
        if (self.watermark or "") < (earlier.watermark or ""):
            words.append(f"the watermark went back from {earlier.watermark} to {self.watermark}")
        return words


def read(service: Service) -> Ledger:
    """The ledger now."""
    minute = to_keepa_minutes(datetime.now(UTC))
    with _database(service) as database:
        rows = database.execute("SELECT asin, ended_at IS NULL FROM deals").fetchall()
        marks = database.execute("SELECT watermark FROM job_states WHERE name = ?", (UPSERTER,)).fetchone()
    still_open = frozenset(asin for asin, is_open in rows if is_open)
    return Ledger(frozenset(asin for asin, _ in rows), still_open, marks[0] if marks else None, minute)


def doubled(service: Service) -> Sequence[str]:
    """What stands in the database twice, in words: events of a deal's life, runs at the same time."""
    with _database(service) as database:
        events = database.execute("SELECT asin, kind FROM deal_events ORDER BY asin, id").fetchall()
        runs = database.execute(
            "SELECT name, started_at, finished_at FROM job_runs WHERE outcome = 'succeeded' AND rows > 0 "
            "ORDER BY name, started_at"
        ).fetchall()
    words = []
    last: dict[str, str] = {}
    for asin, kind in events:
        if kind not in NEXT_STATES[last.get(asin)]:
            words.append(f"{asin}: {kind} after {last.get(asin)}")
        last[asin] = kind
    for (job, start, end), (next_job, next_start, _) in pairwise(runs):
        if job == next_job and next_start < end:
            words.append(f"two runs of {job} at once: from {start}, and from {next_start}")
    return words


_SHOWN = "SELECT asin FROM deals WHERE ended_at IS NULL OR ended_reason = 'merged'"
"""Of a merged deal another variation of its product is shown, which is as it should be."""


def missing(service: Service, earlier: Ledger) -> Sequence[str]:
    """The deals that Keepa has now and the table shows not at all, or as ended.

    Just those that are new since ``earlier`` or were open then: one that comes back after a while, old as
    it is, waits for the sweep like everything else that is not new.
    """
    selection = json.loads(service.settings.keepa_deal_selection.read_text())
    truth = ask(f"{service.sandbox}/_sandbox/truth", {**selection, "page": 0})["deals"]
    with _database(service) as database:
        shown = {a for (a,) in database.execute(_SHOWN)}
    due = {d["asin"] for d in truth if d["created"] >= earlier.minute or d["asin"] in earlier.open}
    return sorted(due - shown)


def can_be_written(service: Service) -> bool:
    """Whether nobody holds SQLite's write lock at this moment."""
    path = service.home / "deals.db"
    with contextlib.closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        database.execute("ROLLBACK")
        return True


def is_under_way(service: Service) -> bool:
    """Whether a run of the upserter has begun, with its fence, and not ended."""
    with _database(service) as database:
        query = "SELECT last_started_at, last_finished_at FROM job_states WHERE name = ?"
        started, finished = database.execute(query, (UPSERTER,)).fetchone()
        return started is not None and (finished is None or started > finished)


def lost_locks(service: Service, since: datetime) -> int:
    """How many runs were refused to write because their lock or fence was another's."""
    with _database(service) as database:
        query = "SELECT count(*) FROM job_runs WHERE outcome = 'lost_lock' AND finished_at >= ?"
        return int(database.execute(query, (_stored(since),)).fetchone()[0])


def wait_for_success(service: Service, since: datetime, patience: float) -> datetime:
    """When a run of the upserter that began after ``since`` had succeeded."""
    deadline = time.monotonic() + patience
    query = (
        "SELECT min(finished_at) FROM job_runs WHERE name = ? AND outcome = 'succeeded' AND started_at >= ?"
    )
    while True:
        with contextlib.suppress(sqlite3.OperationalError), _database(service) as database:
            (found,) = database.execute(query, (UPSERTER, _stored(since))).fetchone()
            if found is not None:
                return datetime.fromisoformat(found).replace(tzinfo=UTC)
        assert time.monotonic() < deadline, f"no success of the upserter within {patience:.0f} s"
        time.sleep(0.1)


@contextlib.contextmanager
def _database(service: Service) -> Iterator[Any]:
    address = f"file:{service.home / 'deals.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=10)) as database:
        yield database


def _stored(moment: datetime) -> str:
    """A moment as SQLAlchemy writes it to SQLite."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
