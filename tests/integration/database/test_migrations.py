"""Every migration, up and down, on tables that are full, on SQLite and PostgreSQL."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, func, inspect, select

from keepa_deals.db import migrate, revisions
from keepa_deals.db.models import JobState
from keepa_deals.db.session import Database
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.keepa.selection import selection_from
from keepa_deals.searches import registry
from keepa_deals.searches.source import SearchSource
from tests.support.nightly import POSTGRES_BY_NIGHT
from tests.support.world import SELECTION, START, World, make_deal, make_product, make_world

REVISIONS = [s.revision for s in ScriptDirectory(str(revisions.MIGRATIONS)).walk_revisions()][::-1]
TABLES = ("deals", "deal_points", "deal_events", "job_states", "job_runs", "samples")


@pytest.fixture
def full(empty_dsn: str) -> Iterator[World]:
    """Deals in every state, with points, events, samples and runs."""
    world = make_world(empty_dsn, selection=selection_from(SELECTION).query)
    for number in range(170):
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(minutes=number)))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    world.keepa.unlist("B000000003")
    world.keepa.products_by_asin["B000000003"] = make_product(make_deal("B000000003", price=2950))
    for _ in range(60):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
        maintenance.run(world.context)
    yield world
    world.database.close()


def contents(connection: Connection, table: str, columns: list[str]) -> list[Any]:
    """The rows as they are stored, whatever this version's models say of them."""
    found = Table(table, MetaData(), autoload_with=connection)
    return sorted(connection.execute(select(*(found.c[name] for name in columns))).all(), key=repr)


def snapshot(database: Database) -> dict[str, list[str]]:
    with database.engine.connect() as connection:
        look = inspect(connection)
        return {name: [c["name"] for c in look.get_columns(name)] for name in TABLES}


def test_there_is_one_line_of_revisions() -> None:
    scripts = ScriptDirectory(str(revisions.MIGRATIONS))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


@POSTGRES_BY_NIGHT
def test_each_step_down_and_up_again_keeps_every_row_and_what_both_sides_know(full: World) -> None:
    database = full.database
    for below, above in zip(REVISIONS[-2::-1], REVISIONS[::-1], strict=False):
        columns_above = snapshot(database)
        migrate.downgrade(database, below)
        assert migrate.current(database) == below
        columns = {t: [c for c in columns_above[t] if c in snapshot(database)[t]] for t in TABLES}
        with database.engine.connect() as connection:
            before = {t: contents(connection, t, columns[t]) for t in TABLES}
        migrate.upgrade(database, above)
        with database.engine.connect() as connection:
            assert {t: contents(connection, t, columns[t]) for t in TABLES} == before
        assert snapshot(database) == columns_above
        migrate.downgrade(database, below)
    migrate.upgrade(database)
    counts = {}
    with database.engine.connect() as connection:
        for name in TABLES:
            table = Table(name, MetaData(), autoload_with=connection)
            counts[name] = connection.scalar(select(func.count()).select_from(table))
    assert counts["deals"] == 170
    assert all(counts.values()), counts


@POSTGRES_BY_NIGHT
def test_the_jobs_go_on_after_a_step_down_and_up(full: World) -> None:
    migrate.downgrade(full.database, REVISIONS[0])
    migrate.upgrade(full.database)
    full.clock.pass_time(timedelta(minutes=1))
    assert upsert.run(full.context).outcome.is_success
    result = maintenance.run(full.context)
    assert (result.live, result.stale, result.ended) == (169, 0, 1)


def state_of(database: Database) -> tuple[Any, Any]:
    """What the upserter remembers of the feed, but for the moments that each run moves."""
    with database.session() as session:
        job = session.get_one(JobState, "update_recent_deals")
        cursor = job.cursor or {}
        return job.watermark, (cursor["selection"], cursor["selected_at"], cursor["sweep"]["started_at"])


@POSTGRES_BY_NIGHT
def test_a_deployment_comes_up_with_its_deal_query_as_the_first_search(full: World, tmp_path: Path) -> None:
    """Nothing of its deals and of its state changes, whichever way the migration went."""
    database, before = full.database, REVISIONS[REVISIONS.index("20261201_0300") - 1]
    query = tmp_path / "used books.json"
    query.write_text(json.dumps(dict(full.context.selection)))
    settings = full.context.settings.model_copy(update={"keepa_deal_selection": query})
    follow = SearchSource(settings, full.clock).follow_files
    context = dataclasses.replace(full.context, searches=follow)
    migrate.downgrade(database, before)
    with database.engine.connect() as connection:
        deals = contents(connection, "deals", ["asin", "first_seen_at", "ended_at", "ended_reason"])
    state = state_of(database)
    for _ in range(2):
        migrate.upgrade(database)
        full.clock.pass_time(timedelta(minutes=1))
        assert upsert.run(context).outcome.is_success
        with database.session() as session:
            (search,) = registry.all_searches(session)
        assert (search.name, search.is_first, search.cursor) == ("used books", True, None)
        assert state_of(database) == state
        with database.engine.connect() as connection:
            assert (
                contents(connection, "deals", ["asin", "first_seen_at", "ended_at", "ended_reason"]) == deals
            )
        migrate.downgrade(database, before)
    migrate.upgrade(database)
