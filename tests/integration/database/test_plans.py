"""How the databases answer the jobs' questions: by an index that ended deals do not make longer.

The jobs run, every statement that they send is caught, and the database is asked how it would answer it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from tests.support.world import SELECTION, START, World, make_account, make_deal, make_world

LONG = ("deals", "deal_points", "deal_events", "deal_pasts", "deal_variations", "samples", "job_runs")
"""The tables that grow with the time for which the past is kept."""
ASKED = {
    "suspects": "deals.unlisted_at <= ",
    "due for verification": "deals.verified_at < deals.listed_at",
    "missing on a page": "UPDATE deals SET last_seen_at=CASE",
    "pages of the sweep": "row_number() OVER",
    "to enrich": "deals.enriched_at IS NULL AND deals.last_seen_at >=",
    "newly stale": "deals.stale_noted_at IS NULL",
    "retention of deals": "DELETE FROM deals",
    "retention of points": "DELETE FROM deal_points",
    "retention of events": "DELETE FROM deal_events",
    "repricing": "(deals.domain_id, deals.asin) > ",
}
"""Questions that must be among those caught, by a part of their text."""
DELETES = "DELETE FROM "
COUNT_OF_ENDED = "SELECT count(*) AS count_1 \nFROM deals \nWHERE deals.ended_at IS NOT NULL"
"""Once a minute for the sample; it counts the past itself."""

FAMILIES = "FROM deal_variations AS"
"""SQLite goes through the families of a marketplace, of which only those asked about of late are kept."""


@pytest.fixture
def world(empty_dsn: str) -> Iterator[World]:
    world = make_world(empty_dsn, selection={**SELECTION, "singleVariation": True})
    for number in range(320):
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(minutes=number)))
    yield world
    world.database.close()


def caught(world: World) -> dict[str, Any]:
    """What the jobs send in some minutes in which deals come, go, and grow stale: statements with values."""
    sent: dict[str, Any] = {}

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def note(_c: Any, _u: Any, statement: str, values: Any, _x: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            sent.setdefault(statement, values[0] if many else values)

    for minutes in (0, 1, 1, 1, 60, 60, 1, 1):
        world.clock.pass_time(timedelta(minutes=minutes))
        world.tokens.account = make_account(world.clock)
        upsert.run(world.context)
        backfill.run_slice(world.context)
        maintenance.run(world.context)
        for asin in list(world.keepa.listed)[:20]:
            world.keepa.unlist(asin)
    event.remove(world.database.engine, "before_cursor_execute", note)
    for what, part in ASKED.items():
        assert any(part in statement for statement in sent), what
    return sent


def sqlite_plan(connection: Connection, statement: str, values: Any) -> list[str]:
    return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]


def grows_on_sqlite(step: str) -> bool:
    """Whether a step reads a long table as far as it goes, or all of a marketplace."""
    table = re.match(r"(?:SCAN|SEARCH) (\w+)", step)
    if table is None or table[1].removesuffix("_1").removesuffix("_2") not in LONG:
        return False
    if step.startswith("SCAN"):
        return not re.search(r"INDEX ix_deals_(open|bare|unlisted)_", step)
    return step.endswith("(domain_id=?)")


@pytest.mark.parametrize("empty_dsn", ["sqlite"], indirect=True)
def test_no_question_of_a_job_grows_with_the_past_on_sqlite(world: World) -> None:
    bad = {}
    sent = caught(world)
    with world.database.engine.connect() as connection:
        for statement, values in sent.items():
            steps = sqlite_plan(connection, statement, values)
            if statement.startswith(DELETES) and "job_runs" in statement:
                continue  # a short table: thirty days of runs
            if FAMILIES not in statement and (found := [step for step in steps if grows_on_sqlite(step)]):
                bad[statement] = found
    assert not bad, "\n".join(f"{steps}: {' '.join(statement.split())}" for statement, steps in bad.items())


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("empty_dsn", ["postgresql"], indirect=True)
def test_no_question_of_a_job_grows_with_the_past_on_postgresql(world: World) -> None:
    sent = caught(world)
    with world.database.engine.begin() as connection:
        _let_many_end(connection)
    bad = {}
    with world.database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))
        for statement, values in sent.items():
            if statement == COUNT_OF_ENDED:
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
            scans = [node for node in nodes(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"]
            if any(node["Relation Name"] == "deals" for node in scans):
                bad[statement] = scans
    assert not bad, "\n".join(" ".join(statement.split()) for statement in bad)


def _let_many_end(connection: Connection) -> None:
    """A past of thirty thousand deals."""
    names = [
        row[0]
        for row in connection.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = 'deals'")
        )
    ]
    instead = {
        "asin": "'E' || lpad(n::text, 3, '0') || right(asin, 6)",
        "ended_at": "last_seen_at - interval '1 day'",
        "ended_reason": "'out_of_stock'",
    }
    values = ", ".join(instead.get(name, name) for name in names)
    connection.execute(
        text(
            f"INSERT INTO deals ({', '.join(names)}) SELECT {values} FROM deals, generate_series(1, 100) AS n"
        )
    )
