"""Samples, retention and pricing anew: what runs once a minute without a token."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from keepa_deals.db.models import Deal, DealEvent, DealPast, DealPoint, JobRun, JobState, Sample
from keepa_deals.db.upsert import write_pasts
from keepa_deals.deals.economics.pricing import SellPrice
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.errors import StoreUnavailableError
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import repricing, retention
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.jobs import MAINTENANCE_JOB
from tests.support.world import START, World, make_account, make_deal, make_product, make_world

DAY = timedelta(days=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return filled(tmp_path / "deals.db")


def filled(path: Path, **settings: Any) -> World:
    world = make_world(path, **settings)
    for number in range(25):
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(minutes=number)))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    return world


def tell_the_balance(world: World, **changes: Any) -> None:
    world.tokens.account = make_account(world.clock, **changes)


def count(world: World, table: Any, *conditions: Any) -> int:
    with world.database.session() as session:
        return session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def age(world: World, days: int) -> None:
    """So many days later, with a feed and an upserter that went on."""
    world.clock.pass_time(days * DAY)
    upsert.run(world.context)
    tell_the_balance(world)


def test_a_sample_holds_the_deals_the_tokens_and_the_waits(world: World) -> None:
    tell_the_balance(world)
    maintenance.run(world.context)
    with world.database.session() as session:
        sample = session.scalars(select(Sample)).one()
    assert (sample.live, sample.stale, sample.ended, sample.matching) == (25, 0, 0, 25)
    assert (sample.tokens, sample.small_wait_ms, sample.bulk_wait_ms) == (300, 2500, 0)


def test_with_redis_away_the_sample_still_tells_of_the_deals(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise StoreUnavailableError("Redis does not answer")

    monkeypatch.setattr(world.tokens, "snapshot", away)
    assert maintenance.run(world.context).live == 25
    with world.database.session() as session:
        assert session.scalars(select(Sample.tokens)).one() is None


def test_the_past_is_bounded_by_the_settings(tmp_path: Path) -> None:
    world = filled(
        tmp_path / "deals.db", retain_points_days=5, retain_ended_days=5, retain_events_days=5,
        retain_samples_days=5, retain_runs_days=5,
    )  # fmt: skip
    tell_the_balance(world)
    world.keepa.unlist("B000000001")
    world.keepa.products_by_asin["B000000001"] = make_product(make_deal("B000000001", price=2950))
    for _ in range(6):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
    world.keepa.list(make_deal("B000000002", created=START - timedelta(minutes=2), price=1400))
    world.clock.pass_time(timedelta(minutes=1))
    upsert.run(world.context)
    maintenance.run(world.context)
    before = count(world, DealPoint)
    age(world, 4)
    assert maintenance.run(world.context).deleted == 0
    told = {"domain_id": 1, "price_type": 1, "packed": b""}
    read = {"B000000003": world.clock.now(), "B000000004": world.clock.now() - 4 * DAY}
    with world.database.begin() as session:
        write_pasts(session, [{**told, "asin": asin, "read_at": at} for asin, at in read.items()])
    age(world, 2)
    maintenance.run(world.context)
    assert (count(world, DealPast), count(world, DealPast, DealPast.asin == "B000000003")) == (1, 1)
    with world.database.session() as session:
        assert session.get(Deal, (1, "B000000001")) is None
    assert count(world, Deal) == 24
    assert count(world, DealPoint) == before - 2 - 1  # the ended deal's two, and the price before the present
    assert count(world, DealPoint, DealPoint.asin == "B000000002") == 1
    limit = world.clock.now() - 5 * DAY
    assert count(world, DealEvent, DealEvent.at < limit) == 0
    assert count(world, Sample, Sample.at < limit) == 0
    assert count(world, JobRun, JobRun.started_at < limit) == 0


@pytest.mark.parametrize("wrong", ["behind", "clock", "unknown"])
def test_the_janitor_never_acts_while_something_is_wrong(tmp_path: Path, wrong: str) -> None:
    world = filled(tmp_path / "deals.db", retain_events_days=1, retain_ended_days=1)
    world.clock.pass_time(3 * DAY)
    if wrong != "behind":
        upsert.run(world.context)
    if wrong != "unknown":
        tell_the_balance(world, ahead=-86_400.0 if wrong == "clock" else 0.0)
    assert maintenance.run(world.context).deleted == 0
    assert count(world, Deal) == 25
    assert count(world, DealEvent) >= 25


def test_the_janitor_deletes_a_little_at_a_time_and_stops_in_time(world: World) -> None:
    old = [
        {"at": START - 100 * DAY - timedelta(minutes=n), "live": 1, "stale": 0, "ended": 0}
        for n in range(2 * retention.BATCH + 10)
    ]
    with world.database.begin() as session:
        session.execute(insert(Sample), old)
    account = make_account(world.clock)
    assert retention.clean(world.context, account, until=world.clock.monotonic()) == 0
    assert retention.clean(world.context, account, until=world.clock.monotonic() + 1) == len(old)


def test_new_settings_price_every_deal_anew_in_batches_that_a_stop_cannot_lose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repricing, "BATCH", 10)
    world = filled(tmp_path / "deals.db")
    maintenance.run(world.context)
    dearer = make_world(tmp_path / "deals.db", prep_cost=100)
    stops = iter([False, False, True])
    object.__setattr__(dearer.context, "stop", lambda: next(stops))
    assert repricing.reprice(dearer.context, MAINTENANCE_JOB.name, until=1.0) == 20
    again = make_world(tmp_path / "deals.db", prep_cost=100)
    assert repricing.reprice(again.context, MAINTENANCE_JOB.name, until=1.0) == 5
    assert repricing.reprice(again.context, MAINTENANCE_JOB.name, until=1.0) == 0
    with world.database.session() as session:
        assert set(session.scalars(select(Deal.profit))) == {3000 - 450 - 350 - 1500 - 100}


def test_a_fee_of_0_of_before_is_unknown_and_so_is_what_was_calculated_with_it(tmp_path: Path) -> None:
    world = filled(tmp_path / "deals.db")
    maintenance.run(world.context)
    with world.database.begin() as session:  # as the version before wrote and remembered it
        session.execute(update(Deal).where(Deal.asin == "B000000001").values(fba_fee=0, profit=1050))
        session.get_one(JobState, MAINTENANCE_JOB.name).cursor = {"pricing": [0, 0, "average_90"]}
    assert maintenance.run(world.context).repriced == 1
    with world.database.session() as session:
        deal = session.get_one(Deal, (1, "B000000001"))
        assert (deal.fba_fee, deal.profit, deal.roi_bp) == (None, None, None)
        assert session.get_one(Deal, (1, "B000000002")).profit == 3000 - 450 - 350 - 1500


def test_a_setting_changed_back_in_the_middle_prices_all_by_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repricing, "BATCH", 10)
    world = filled(tmp_path / "deals.db")
    maintenance.run(world.context)
    dearer = make_world(tmp_path / "deals.db", prep_cost=100)
    stops = iter([False, True])
    object.__setattr__(dearer.context, "stop", lambda: next(stops))
    repricing.reprice(dearer.context, MAINTENANCE_JOB.name, until=1.0)
    repricing.reprice(world.context, MAINTENANCE_JOB.name, until=1.0)
    with world.database.session() as session:
        assert set(session.scalars(select(Deal.profit))) == {3000 - 450 - 350 - 1500}


@pytest.mark.parametrize(("choice", "sell"), [("average_90", 3000), ("average_30", 3000), ("buy_box", 2900)])
def test_the_sell_price_is_the_one_that_the_settings_choose(tmp_path: Path, choice: str, sell: int) -> None:
    world = filled(tmp_path / "deals.db", sell_price=choice)
    assert world.context.pricing.sell is SellPrice(choice)
    with world.database.session() as session:
        assert set(session.scalars(select(Deal.sell_price))) == {sell}


def test_a_price_that_product_tells_is_priced_and_makes_a_point(world: World) -> None:
    for asin in list(world.keepa.listed):  # an empty feed proves nothing: what holds is confirmed
        world.keepa.unlist(asin)
    world.keepa.products_by_asin["B000000001"] = make_product(make_deal("B000000001", price=1400))
    for _ in range(60):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
    with world.database.session() as session:
        deal = session.get_one(Deal, (1, "B000000001"))
    assert (deal.price, deal.profit, deal.ended_reason) == (1400, 3000 - 450 - 350 - 1400, None)
    assert count(world, DealPoint, DealPoint.asin == "B000000001") == 2
    assert count(world, Deal, Deal.ended_reason == EndedReason.NO_LONGER_MATCHES) == 0
