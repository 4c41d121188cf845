"""The database that the version before left, under the code of today: nothing is lost, and the work goes on.

While a deploy is under way, workers of that version still write into the schema of today.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from keepa_deals.db import migrate
from keepa_deals.db.models import JobState
from keepa_deals.db.session import Database
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.ingest.upsert import state
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.upgrade.recorded import VERSIONS, OldVersion, columns, rows
from tests.support.world import SELECTION, START, FakeClock, World, make_deal, make_world

END = START + timedelta(hours=3, minutes=14)
"""A minute after the last run of the scene."""
UPSERT, BACKFILL = "update_recent_deals", "backfill_deals"
"""As their rows are named in the table."""
ONE_OF_EACH = {**SELECTION, "singleVariation": True}
pytestmark = pytest.mark.parametrize("version", VERSIONS, ids=str)


@pytest.fixture
def old(empty_dsn: str, version: OldVersion) -> Iterator[Database]:
    """The database as it was found, not yet migrated."""
    version.restore(empty_dsn)
    database = Database(empty_dsn)
    yield database
    database.close()


def world_of(database: Database | Path) -> World:
    """The jobs of today on that database, a minute later, before the feed that the last run saw."""
    dsn = database if isinstance(database, Path) else database.engine.url.render_as_string(False)
    world = make_world(dsn, selection=ONE_OF_EACH)
    world.clock.pass_time(END - START)
    return world


def show_what_is_open(world: World) -> None:
    """The feed lists what the table holds to be listed, at the same prices."""
    query = "SELECT asin, price, deal_created_at FROM deals WHERE ended_at IS NULL AND unlisted_at IS NULL"
    with world.database.engine.connect() as connection:
        for asin, price, created in connection.execute(text(query)):
            moment = created if isinstance(created, datetime) else datetime.fromisoformat(f"{created}+00:00")
            world.keepa.list(make_deal(asin, price=price, created=moment))


def job(database: Database, name: str) -> JobState:
    with database.session() as session:
        return session.get_one(JobState, name)


def test_the_migrations_keep_every_row_and_every_column(old: Database) -> None:
    known = {table: list(named) for table, named in columns(old).items() if table != "alembic_version"}
    before = rows(old, known)
    assert len(before["deals"]) > 20
    assert all(before[t] for t in ("deal_points", "deal_events", "job_states", "job_runs", "samples"))
    migrate.upgrade(old)
    assert migrate.current(old) == migrate.head()
    assert rows(old, known) == before


def test_what_the_migrations_add_is_no_burden_to_the_version_before(old: Database) -> None:
    """Columns stay, under their names and as wide; a new one is filled where an old INSERT leaves it out."""
    before = columns(old)
    migrate.upgrade(old)
    after = columns(old)
    assert before.keys() <= after.keys()
    for table, named in before.items():
        assert named.keys() <= after[table].keys(), table
        for name, column in named.items():
            now = after[table][name]
            assert str(now["type"]) == str(column["type"]), f"{table}.{name}"
            assert now["nullable"] >= column["nullable"], f"{table}.{name}"
        for name in after[table].keys() - named.keys():
            new = after[table][name]
            assert new["nullable"] or new["default"] is not None, f"{table}.{name}"


def test_the_statements_of_the_version_before_work_on_the_schema_of_today(
    version: OldVersion, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    migrate.upgrade(database)
    written = set()
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")  # of many rows, the first one was recorded
        for statement, values in version.statements.items():
            driver.execute(statement, values)
            written.add(" ".join(statement.split()[:3]))
        driver.rollback()
    assert {"INSERT INTO deals", "INSERT INTO deal_events", "INSERT INTO job_runs"} <= written
    database.close()


def test_the_jobs_go_on_where_the_version_before_left_off(
    old: Database, version: OldVersion, caplog: pytest.LogCaptureFixture
) -> None:
    migrate.upgrade(old)
    before = job(old, UPSERT)
    world = world_of(old)
    show_what_is_open(world)
    with caplog.at_level(logging.WARNING):
        assert upsert.run(world.context).outcome is Outcome.SUCCEEDED
        assert maintenance.run(world.context).repriced > 0  # by the fees that this version knows, once
        assert maintenance.run(world.context).repriced == 0
    assert caplog.messages == []
    after = job(old, UPSERT)
    assert after.fence == before.fence + 1
    assert before.watermark is not None
    assert after.watermark is not None
    assert after.watermark >= before.watermark
    assert after.rows >= before.rows
    assert world.keepa.pages_read() == [0]  # no sweep anew
    world.database.close()


def test_a_paused_job_stays_paused_and_then_walks_no_page_again(old: Database, version: OldVersion) -> None:
    world = world_of(old)
    show_what_is_open(world)
    assert backfill.run_slice(world.context).outcome is Outcome.PAUSED
    with old.begin() as session:
        session.get_one(JobState, BACKFILL).paused = False
    assert backfill.run_slice(world.context).outcome.is_success
    assert world.keepa.pages_read() == []
    world.database.close()


def without_nulls(value: Any) -> Any:
    """A JSON document without the names that stand for nothing."""
    if isinstance(value, dict):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def under_names_of(value: Any, names: Any) -> Any:
    """Of a JSON document what stands under the names of another one."""
    if isinstance(value, dict) and isinstance(names, dict):
        return {name: under_names_of(value.get(name), part) for name, part in names.items()}
    return value


def test_every_cursor_of_the_upserter_is_read_whole(
    version: OldVersion, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = [entry for entry in version.cursors if entry["job"] == UPSERT]
    assert len(recorded) >= 3
    for entry in recorded:
        before = without_nulls(entry["cursor"])
        stored = json.loads(json.dumps(state.load_state(entry["cursor"], ONE_OF_EACH, END).to_json()))
        assert under_names_of(without_nulls(stored), before) == before, entry["step"]
    assert caplog.messages == []


def test_a_walk_and_a_sweep_that_were_under_way_go_on_with_their_next_page(
    version: OldVersion, tmp_path: Path
) -> None:
    (walking,) = [e["cursor"] for e in version.cursors if "page" in e["cursor"]]
    sweeping = next(
        cursor
        for cursor in (e["cursor"] for e in version.cursors)
        if cursor.get("sweep") and 0 < cursor["sweep"]["next_page"] < cursor["sweep"]["pages"]
    )
    world = make_world(tmp_path / "deals.db", selection=ONE_OF_EACH)
    for number in range(850):
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(minutes=number)))
    world.clock.pass_time(timedelta(minutes=1))
    with world.database.begin() as session:
        session.add(JobState(name=BACKFILL, cursor=walking))
        session.add(JobState(name=UPSERT, cursor=sweeping, watermark=START))
    backfill.run_slice(world.context)
    assert world.keepa.pages_read()[0] == walking["page"]
    assert len(world.keepa.pages_read()) == 6 - walking["page"]
    world.keepa.calls.clear()
    assert upsert.run(world.context).outcome.is_success
    after = job(world.database, UPSERT).cursor
    assert after is not None
    assert sweeping["sweep"]["started_at"] in json.dumps(after)  # the same sweep
    world.database.close()


@pytest.fixture
def reader(version: OldVersion, tmp_path: Path) -> Iterator[FlaskClient]:
    """The dashboard of today over the database of then."""
    version.restore(f"sqlite:///{tmp_path / 'deals.db'}")
    database = Database(f"sqlite:///{tmp_path / 'deals.db'}")
    migrate.upgrade(database)
    database.close()
    settings = Settings(
        _env_file=None,
        keepa_api_key="k" * 64,
        keepa_deals_home=tmp_path,
        database_url=f"sqlite:///{tmp_path / 'deals.db'}",
        redis_url=f"unix://{tmp_path}/none.sock",
    )
    app = create_app(settings, clock=FakeClock(END))
    yield app.test_client()
    app.extensions[EXTENSION].engine.dispose()


def stored(version: OldVersion, query: str) -> list[tuple[Any, ...]]:
    """An answer of the recorded database itself."""
    with sqlite3.connect(":memory:") as connection:
        connection.executescript((version.folder / "deals.sql").read_text(encoding="utf-8"))
        return list(connection.execute(query))


def test_every_deal_is_shown_with_its_price_its_state_and_its_past(
    version: OldVersion, reader: FlaskClient
) -> None:
    listed = {deal["asin"]: deal for deal in reader.get("/api/deals?status=all").json["deals"]}
    deals = stored(version, "SELECT asin, price, ended_at IS NOT NULL, ended_reason FROM deals")
    assert {(asin, price) for asin, price, _, _ in deals} == {(a, d["price"]) for a, d in listed.items()}
    for asin, _, ended, reason in deals:
        assert (listed[asin]["status"] == "ended") == bool(ended)
        assert listed[asin]["ended_reason"] == reason
        events = stored(
            version, f"SELECT kind FROM deal_events WHERE asin = '{asin}' ORDER BY at DESC, id DESC"
        )
        told = reader.get(f"/api/deals/1/{asin}").json
        assert [event["kind"] for event in told["events"]] == [kind for (kind,) in events]
        assert reader.get(f"/deals/1/{asin}").status_code == 200


def test_the_views_that_people_saved_and_what_operators_did_are_still_there(
    version: OldVersion, reader: FlaskClient
) -> None:
    views = stored(version, "SELECT name, query FROM saved_views")
    assert len(views) > 40
    page = reader.get("/").text
    for name, query in views:
        assert re.search(f">{re.escape(name)} ?<", page), query  # a view that cannot be read is not offered
        assert reader.get(f"/api/deals?{query}").status_code == 200, name
    health = reader.get("/health").text
    assert "pause" in health
    assert reader.get("/export.csv").status_code == 200
