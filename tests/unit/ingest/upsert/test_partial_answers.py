"""Answers that lack something: a page cut short, a look with a part of the feed, entries nobody can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from keepa_deals.db.models import Deal, DealEvent, JobState
from keepa_deals.deals.kinds import DealEventKind
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.deal import DealPage
from keepa_deals.keepa.product import ProductBatch
from tests.support.world import START, World, make_account, make_deal, make_world

MINUTE = timedelta(minutes=1)
Change = Callable[[DealPage], DealPage]


def feed_of(tmp_path: Path, deals: int) -> World:
    """One deal a minute, all of them known, with a plan that suffices."""
    world = make_world(tmp_path / "deals.db")
    world.tokens.account = make_account(world.clock, rate=60)
    world.keepa.list(*(make_deal(f"B{n:09d}", created=START - n * MINUTE) for n in range(deals)))
    minutes(world, 1)
    backfill.run_slice(world.context)
    world.clock.pass_time(MINUTE)
    assert maintenance.run(world.context).live == deals
    world.keepa.calls.clear()
    return world


def minutes(world: World, count: int, *, every: int = 1) -> None:
    for _ in range(0, count, every):
        upsert.run(world.context)
        world.clock.pass_time(every * MINUTE)


def answers(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int, change: Change, times: int = 1
) -> None:
    """The next ``times`` answers about the page are changed."""
    real, left = world.keepa.deals, [None] * times

    def deals(*args: object, **options: object) -> DealPage:
        page = real(*args, **options)  # type: ignore[arg-type]
        if args[1] == number and left:
            left.pop()
            return change(page)
        return page

    monkeypatch.setattr(world.keepa, "deals", deals)


def ends(world: World) -> int:
    """How many deals ended, for however short a time."""
    with world.database.session() as session:
        ended = select(func.count()).where(DealEvent.kind == DealEventKind.ENDED)
        return session.scalar(ended) or 0


def asked(world: World) -> int:
    return sum(len(what) for kind, what in world.keepa.calls if kind == "products")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        pytest.param(5, slice(149), marks=pytest.mark.nightly),
        (5, slice(1, 150)),
        pytest.param(0, slice(100), marks=pytest.mark.nightly),
        (0, slice(0)),
    ],
)
def test_a_page_that_is_shorter_than_its_counts_say_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kept: slice
) -> None:
    world = feed_of(tmp_path, 1200)
    answers(world, monkeypatch, number, lambda page: replace(page, deals=page.deals[kept]))
    minutes(world, 62, every=2)
    assert maintenance.run(world.context).live == 1200
    assert ends(world) == 0
    assert number in world.keepa.pages_read()
    assert asked(world) <= 2


@pytest.mark.parametrize("looks", [1, pytest.param(20, marks=pytest.mark.nightly)])
def test_a_feed_that_is_small_for_a_while_as_a_sweep_begins_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Its counts are small, too."""
    world = feed_of(tmp_path, 900)
    before = state(world).cursor["sweep"]["started_at"]
    while state(world).cursor["sweep"]["next_page"] < 6:
        minutes(world, 2, every=2)
    minutes(world, 40, every=2)
    answers(
        world,
        monkeypatch,
        0,
        lambda page: replace(page, deals=page.deals[:20], category_counts={1: 20}),
        looks,
    )
    minutes(world, 70)
    assert state(world).cursor["sweep"]["started_at"] > before, "a sweep began meanwhile"
    assert maintenance.run(world.context).live == 900
    assert ends(world) == 0
    assert state(world).cursor["plan"]["matching"] == 900
    assert asked(world) <= 300, "what stood on the newest page, which nobody could see"


def test_a_deal_that_cannot_be_read_costs_neither_its_page_nor_any_other_deal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(*(make_deal(f"B{n:09d}", created=START - n * MINUTE) for n in range(10)))

    def without_the_third(page: DealPage) -> DealPage:
        return replace(page, deals=page.deals[:2] + page.deals[3:], unreadable=1)

    minutes(world, 1)
    answers(world, monkeypatch, 0, without_the_third, times=10)
    minutes(world, 10)
    assert state(world).watermark == START
    assert maintenance.run(world.context).live == 10
    assert asked(world) == 0


def test_a_product_that_cannot_be_read_does_not_end_and_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(*(make_deal(f"B{n:09d}", created=START - n * MINUTE) for n in range(3)))
    minutes(world, 1)
    hide(world, monkeypatch, "B000000001")
    assert backfill.run_slice(world.context).outcome is Outcome.SUCCEEDED
    assert backfill.run_slice(world.context).outcome is Outcome.NOTHING_TO_DO
    with world.database.session() as session:
        deals = {deal.asin: deal for deal in session.scalars(select(Deal))}
    assert [deal.monthly_sold for deal in deals.values()] == [100, None, 100]
    assert all(deal.enriched_at for deal in deals.values())
    minutes(world, 44)
    world.keepa.unlist("B000000000", "B000000001")  # less than half is left: the next sweep misses them
    world.keepa.calls.clear()
    minutes(world, 65)
    asked_about = [what for kind, what in world.keepa.calls if kind == "products"]
    assert asked_about[0] == ("B000000000", "B000000001")
    assert asked_about[1:] == []
    with world.database.session() as session:
        assert session.get_one(Deal, (1, "B000000001")).ended_at is None


def hide(world: World, monkeypatch: pytest.MonkeyPatch, asin: str) -> None:
    """Keepa's answers about the product cannot be read."""
    real = world.keepa.products

    def products(*args: object, **options: object) -> ProductBatch:
        found = real(*args, **options)  # type: ignore[arg-type]
        readable = tuple(product for product in found.products if product.asin != asin)
        return replace(found, products=readable, unreadable=(asin,) if readable != found.products else ())

    monkeypatch.setattr(world.keepa, "products", products)


def state(world: World) -> JobState:
    with world.database.session() as session:
        return session.get_one(JobState, UPSERT_JOB.name)
