"""A SQLite file that another process holds: writers wait or say so, readers read, and nothing is half."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

import keepa_deals.ingest
from keepa_deals.db import session as db_session
from keepa_deals.db import upsert as db_upsert
from keepa_deals.db.errors import DatabaseLockedError
from keepa_deals.db.models import Deal
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest import events, writes
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.feed import families
from keepa_deals.ingest.feed.coverage import Coverage
from keepa_deals.ingest.feed.mapping import feed_rows
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import endings, match_writes
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.ingest.upsert.matching import MatchResult
from keepa_deals.keepa.product import Product
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.alerts import make_alert
from tests.support.world import PRICE, SELECTION, START, World, make_deal, make_product, make_world

PATIENCE_MS = 100
HOUR = timedelta(hours=1)
KEY = {"domain_id": 1, "asin": "B000000001"}
ALERT = 1


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Twenty deals and an alert; connections wait a tenth of a second for another writer."""
    monkeypatch.setattr(db_session, "BUSY_TIMEOUT_MS", PATIENCE_MS)
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(*(make_deal(f"B{n:09d}", created=START - timedelta(minutes=n)) for n in range(20)))
    upsert.run(world.context)
    world.clock.pass_time(timedelta(minutes=1))
    with world.database.begin() as session:
        assert make_alert(session, world.clock.now()) == ALERT
    yield world
    world.database.close()


class Holder:
    """Another process in the middle of writing."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def take(self) -> None:
        self._connection.execute("BEGIN EXCLUSIVE")

    def give(self) -> None:
        self._connection.execute("ROLLBACK")

    def contents(self) -> str:
        """All that is committed."""
        return "\n".join(self._connection.iterdump())

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def holder(world: World) -> Iterator[Holder]:
    path = world.database.path
    assert path is not None
    holder = Holder(path)
    yield holder
    holder.close()


def rows(world: World) -> Any:
    page = world.keepa.deals(SELECTION)
    return feed_rows(page, domain_id=1, price_type=PRICE)


def point(world: World) -> dict[str, Any]:
    return {**KEY, "at": world.clock.now(), "price": 1, "price_avg_90": 2, "sales_rank": 3}


def memory(world: World) -> dict[str, Any]:
    now = world.clock.now()
    return {**KEY, "alert_id": ALERT, "occasion": now, "told_at": now, "price": 1}


def related() -> Product:
    return make_product(make_deal("B000000001"), parent_asin="P", variations=("B000000001", "B000000002"))


def stored(world: World) -> dict[str, Any]:
    with world.database.session() as session:
        deal = session.get_one(Deal, (1, "B000000001"))
        return {column.key: getattr(deal, column.key) for column in Deal.__table__.columns}


Write = Callable[[World, Session], object]
WRITES: dict[Callable[..., Any], Write] = {
    writes.apply_listed: lambda w, s: writes.apply_listed(s, rows(w), w.clock.now(), HOUR),
    writes.note_unlisted: lambda w, s: writes.note_unlisted(s, 1, Coverage(None, None), w.clock.now()),
    match_writes.apply_match_results: lambda w, s: match_writes.apply_match_results(
        s,
        1,
        [MatchResult("B000000001", EndedReason.OUT_OF_STOCK)],
        w.clock.now(),
        HOUR,
        carried_for=HOUR,
    ),
    endings.end_deals: lambda w, s: endings.end_deals(
        s, 1, {"B000000001": EndedReason.PRODUCT_GONE}, w.clock.now(), HOUR
    ),
    events.record: lambda w, s: events.record(
        s, [{**KEY, "at": w.clock.now(), "kind": "stale", "reason": None}]
    ),
    events.note_changes: lambda w, s: events.note_changes(s, 1, ["B000000001"], w.clock.now()),
    db_upsert.write_memories: lambda w, s: db_upsert.write_memories(s, [memory(w)]),
    db_upsert.upsert_deals: lambda w, s: db_upsert.upsert_deals(s, [stored(w)]),
    db_upsert.ensure_mark_book: lambda _, s: db_upsert.ensure_mark_book(s, 0, None),
    db_upsert.touch_deals: lambda w, s: db_upsert.touch_deals(s, [{**KEY, "last_seen_at": w.clock.now()}]),
    db_upsert.insert_points: lambda w, s: db_upsert.insert_points(s, [point(w)]),
    db_upsert.write_pasts: lambda w, s: db_upsert.write_pasts(
        s, [{**KEY, "read_at": w.clock.now(), "price_type": 1, "packed": b""}]
    ),
    db_upsert.write_variations: lambda w, s: db_upsert.write_variations(
        s, [{**KEY, "family": "P", "noted_at": w.clock.now()}]
    ),
    db_upsert.ensure_job: lambda w, s: db_upsert.ensure_job(s, "another"),
    families.note_variations: lambda w, s: families.note_variations(s, 1, [related()], w.clock.now()),
    families.merge: lambda w, s: families.merge(s, 1, ["P"], w.clock.now(), HOUR),
}
READS = {families.open_siblings, families.with_family, families.likely_siblings, families.possible_siblings}
READS |= {families.has_unknown}
"""They take a session, too, and write nothing."""
SILENT = {db_upsert.upsert_statement, db_upsert.lock_writers}
"""They send nothing on SQLite, where the transaction itself is the lock."""


def takes_a_session(module: Any) -> set[Callable[..., Any]]:
    return {
        function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and next(iter(inspect.signature(function).parameters), "") == "session"
    }


def test_every_function_that_writes_in_a_callers_transaction_is_among_those_below() -> None:
    found = takes_a_session(db_upsert)
    for module in pkgutil.walk_packages(keepa_deals.ingest.__path__, "keepa_deals.ingest."):
        found |= takes_a_session(importlib.import_module(module.name))
    found -= SILENT
    assert {f.__qualname__ for f in found} == {f.__qualname__ for f in {*WRITES, *READS}}


@pytest.mark.parametrize("write", WRITES.values(), ids=[function.__name__ for function in WRITES])
def test_a_write_into_a_locked_file_says_so_and_leaves_nothing(
    world: World, holder: Holder, write: Write
) -> None:
    before = holder.contents()
    holder.take()
    with (
        pytest.raises(DatabaseLockedError, match="another process holds it; it will be tried again"),
        world.database.begin() as session,
    ):
        write(world, session)
    holder.give()
    assert holder.contents() == before
    with world.database.begin() as session:
        write(world, session)  # and afterwards it goes


def test_a_write_waits_for_one_who_is_done_in_time(
    world: World, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_session, "BUSY_TIMEOUT_MS", 60_000)
    world.database.close()
    patient = db_session.Database(world.database.engine.url.render_as_string(False))
    waits, holds = threading.Event(), threading.Event()

    def hold() -> None:
        holder.take()
        holds.set()
        waits.wait()
        holder.give()

    other = threading.Thread(target=hold)
    other.start()
    assert holds.wait(60)
    soon = threading.Timer(0.05, waits.set)
    soon.start()
    with patient.begin() as session:
        writes.apply_listed(session, rows(world), world.clock.now(), HOUR)
        assert waits.is_set()  # the transaction began after the other's end
    other.join()
    with patient.session() as session:
        assert set(session.scalars(select(Deal.last_seen_at))) == {world.clock.now()}
    patient.close()


JOBS: dict[str, Callable[[World], Any]] = {
    "upsert": lambda world: upsert.run(world.context),
    "backfill": lambda world: backfill.run_slice(world.context),
}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_on_a_locked_file_fails_with_a_word_and_succeeds_afterwards(
    world: World, holder: Holder, job: str
) -> None:
    before = holder.contents()
    holder.take()
    result = JOBS[job](world)
    assert result.outcome is Outcome.FAILED
    assert "another process holds it" in result.detail
    holder.give()
    assert holder.contents() == before
    assert world.lock.released > 0
    assert JOBS[job](world).outcome.is_success


def test_maintenance_on_a_locked_file_says_so_and_leaves_nothing(world: World, holder: Holder) -> None:
    before = holder.contents()
    holder.take()
    with pytest.raises(DatabaseLockedError):
        maintenance.run(world.context)
    holder.give()
    assert holder.contents() == before
    assert maintenance.run(world.context).live == 20


def test_a_lock_between_two_pages_leaves_the_first_and_the_way_to_the_second(
    world: World, holder: Holder
) -> None:
    world.keepa.list(*(make_deal(f"C{n:09d}", created=START - timedelta(minutes=30 + n)) for n in range(320)))

    def hold_at_the_second_page(kind: str, what: object) -> None:
        if kind == "deals" and what == 1:
            holder.take()

    world.keepa.before_call = hold_at_the_second_page
    assert backfill.run_slice(world.context).outcome is Outcome.FAILED
    holder.give()
    world.keepa.before_call = None
    with world.database.session() as session:
        assert len(session.scalars(select(Deal.asin)).all()) == 150
    world.keepa.calls.clear()
    assert backfill.run_slice(world.context).outcome.is_success
    assert world.keepa.pages_read() == [1, 2]
    with world.database.session() as session:
        assert len(session.scalars(select(Deal.asin)).all()) == 340


@pytest.fixture
def reader(world: World, tmp_path: Path) -> Iterator[FlaskClient]:
    settings = Settings(
        _env_file=None,
        keepa_api_key="k" * 64,
        keepa_deals_home=tmp_path,
        database_url=world.database.engine.url.render_as_string(False),
        redis_url=f"unix://{tmp_path}/none.sock",
    )
    app = create_app(settings, clock=world.clock)
    yield app.test_client()
    engine: Engine = app.extensions[EXTENSION].engine
    engine.dispose()


def test_readers_are_answered_while_somebody_writes(
    world: World, holder: Holder, reader: FlaskClient
) -> None:
    holder.take()
    assert reader.get("/api/deals").json["total"] == 20
    for path in ("/", "/deals/1/B000000001", "/health", "/export.csv", "/feed.atom", "/metrics"):
        assert reader.get(path).status_code == 200, path
    holder.give()
