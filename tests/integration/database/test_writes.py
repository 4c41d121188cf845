"""The store and the jobs on SQLite and PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, func, inspect, select

from keepa_deals import health
from keepa_deals.db import migrate
from keepa_deals.db.errors import SchemaError
from keepa_deals.db.models import Base, Deal, DealEvent, DealPast, DealPoint
from keepa_deals.db.session import Database
from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.calculation import EconomicsRow
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.deals.price_history import unpack
from keepa_deals.ingest.backfill import enrich
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.history import PricePoint
from keepa_deals.query.cursor import decode_cursor
from keepa_deals.query.parse import parse_view
from keepa_deals.query.reader import DealReader
from tests.support.world import START, FakeLock, World, make_deal, make_product, make_world


@pytest.fixture
def world(empty_dsn: str) -> Iterator[World]:
    world = make_world(empty_dsn)
    yield world
    world.database.close()


def fill(world: World, count: int = 200) -> None:
    for number in range(count):
        created = START - timedelta(minutes=number)
        world.keepa.list(make_deal(f"B{number:09d}", created=created, price=1000 + number))
    upsert.run(world.context)
    backfill.run_slice(world.context)


def count(world: World, table: Any) -> int:
    with world.database.session() as session:
        return int(session.scalar(select(func.count()).select_from(table)) or 0)


def test_the_jobs_fill_the_tables_and_keep_first_days(world: World) -> None:
    fill(world)
    world.clock.pass_time(timedelta(minutes=1))
    upsert.run(world.context)
    assert count(world, Deal) == 200
    with world.database.session() as session:
        first = session.scalars(select(Deal.first_seen_at)).all()
        assert max(first) == START
        assert max(first) - min(first) < timedelta(seconds=1)  # a page's deals are told apart
        assert session.scalar(select(func.max(Deal.last_seen_at))) == START + timedelta(minutes=1)
        assert session.scalar(select(func.count()).where(Deal.profit.is_not(None))) == 200


def test_only_a_new_price_makes_a_point_of_history(world: World) -> None:
    fill(world, 10)
    world.clock.pass_time(timedelta(minutes=1))
    world.keepa.list(make_deal("B000000003", created=START - timedelta(minutes=3), price=900))
    upsert.run(world.context)
    assert count(world, DealPoint) == 11


def test_keepas_history_is_replaced_and_goes_with_its_deal(world: World) -> None:
    fill(world, 3)
    point = PricePoint(START - timedelta(days=3), 1234)
    for deal in world.keepa.listed.values():
        world.keepa.products_by_asin[deal.asin] = make_product(deal, history={CsvType.NEW: (point,)})
    for _ in range(2):
        world.clock.pass_time(timedelta(hours=25))
        upsert.run(world.context)
        backfill.run_slice(world.context)
        assert count(world, DealPast) == 3
        with world.database.session() as session:
            assert set(session.scalars(select(DealPast.read_at))) == {world.clock.now()}
            told = session.scalars(select(DealPast.packed)).first()
        assert told is not None
        assert [value for _, value in unpack(told).prices] == [1234]
    with world.database.begin() as session:
        session.execute(delete(Deal).where(Deal.asin == "B000000001"))
    assert count(world, DealPast) == 2


def test_an_end_and_a_return_are_recorded(world: World) -> None:
    fill(world, 3)
    world.keepa.unlist("B000000001")
    world.keepa.products_by_asin["B000000001"] = make_product(make_deal("B000000001", price=2950))
    for _ in range(60):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
        maintenance.run(world.context)
    with world.database.session() as session:
        assert session.get_one(Deal, (1, "B000000001")).ended_reason is EndedReason.PRICE_RECOVERED
        ended = select(func.count()).select_from(DealEvent).where(DealEvent.reason.is_not(None))
        assert session.scalar(ended) == 1


def test_two_workers_never_both_find_a_deal(world: World) -> None:
    for number in range(150):
        world.keepa.list(make_deal(f"B{number:09d}"))
    outcomes: list[Outcome] = []

    def work() -> None:
        outcomes.append(upsert.run(world.context).outcome)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(world, DealEvent) == count(world, Deal)
    assert set(outcomes) <= {Outcome.SUCCEEDED, Outcome.LOST_LOCK, Outcome.FAILED}
    assert Outcome.SUCCEEDED in outcomes


def test_a_price_that_changes_while_details_are_written_never_leaves_the_profit_of_the_old_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.keepa.list(make_deal("B000000001", price=1500))
    upsert.run(world.context)
    world.clock.pass_time(timedelta(minutes=1))
    url = world.database.engine.url.render_as_string(hide_password=False)
    other = replace(world.context, database=Database(url), lock=lambda _name: FakeLock())
    upserter = threading.Thread(target=upsert.run, args=(other,))

    def calculate(deal: Deal, pricing: Pricing) -> EconomicsRow:
        """The enrichment has read the deal, and the upserter comes with another price."""
        if upserter.ident is None:
            world.keepa.list(make_deal("B000000001", price=1000))
            upserter.start()
            upserter.join(timeout=1)
        return calculation.of(deal, pricing)

    monkeypatch.setattr(enrich, "calculation", SimpleNamespace(of=calculate))
    assert backfill.run_slice(world.context).outcome is Outcome.SUCCEEDED
    upserter.join()
    with world.database.session() as session:
        deal = session.get_one(Deal, (1, "B000000001"))
    assert deal.price == 1000
    assert deal.profit is not None
    assert deal.profit == calculation.of(deal, world.context.pricing).profit
    other.database.close()


def test_migrations_run_up_and_down_on_filled_tables(empty_dsn: str) -> None:
    world = make_world(empty_dsn)
    fill(world, 20)
    migrate.check(world.database)
    migrate.downgrade(world.database, "base")
    assert migrate.current(world.database) is None
    with pytest.raises(SchemaError, match="no tables yet"):
        migrate.check(world.database)
    migrate.upgrade(world.database)
    fill(world, 20)
    assert count(world, Deal) == 20
    world.database.close()


def test_the_migrations_make_what_the_models_say(empty_dsn: str) -> None:
    database = Database(empty_dsn)
    migrate.upgrade(database)
    found = inspect(database.engine)
    for table in Base.metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
        indices = {index["name"] for index in found.get_indexes(table.name)}
        assert indices >= {str(index.name) for index in table.indexes}
    database.close()


def test_many_processes_may_migrate_at_once(empty_dsn: str) -> None:
    databases = [Database(empty_dsn) for _ in range(4)]
    threads = [threading.Thread(target=migrate.upgrade, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert migrate.current(databases[0]) == migrate.head()
    for database in databases:
        database.close()


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """SQLite refuses all but one that switch it to WAL, and does not wait as it does otherwise."""
    with ThreadPoolExecutor(4) as pool:
        for number in range(30):
            databases = [Database(f"sqlite:///{tmp_path}/{number}.db") for _ in range(4)]
            assert list(pool.map(migrate.current, databases)) == [None] * 4
            for database in databases:
                database.close()


@pytest.mark.parametrize("sort", ["found", "price", "discount", "drop", "title", "sold", "profit"])
def test_the_dashboards_pages_are_the_same_on_both(world: World, sort: str) -> None:
    fill(world, 60)
    as_of = AsOf(world.clock.now(), timedelta(hours=1))
    view = parse_view({"sort": [sort], "limit": ["25"]}, domain_id=1)
    seen: list[str] = []
    cursor = None
    with world.database.engine.connect() as connection:
        reader = DealReader(connection, as_of)
        while True:
            page = reader.page(view, cursor)
            seen += [row.asin for row in page.rows]
            if page.next is None:
                break
            cursor = decode_cursor(page.next.encode(), view.sort, view.order)
        assert reader.count(view) == 60
    assert len(seen) == len(set(seen)) == 60


def test_the_look_at_the_service_works_on_both(world: World, empty_dsn: str) -> None:
    fill(world, 5)
    settings = world.context.settings.model_copy(update={"database_url": None})
    report = health.collect(settings, clock=world.clock, engine=world.database.engine)
    assert report.deals.value is not None
    assert report.deals.value.live == 5
    assert report.database.value is not None
    assert report.database.value.migrated
