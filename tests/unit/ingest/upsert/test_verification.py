"""Deals that the feed no longer shows: what Keepa says of them decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from keepa_deals import jobs
from keepa_deals.db.models import Deal, DealEvent, DealVariation
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.feed.mapping import PERCENTAGES
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome, Run, run_job
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.ingest.upsert.state import load_state
from keepa_deals.ingest.upsert.verification import Pending, pending
from keepa_deals.keepa.product import ProductBatch
from tests.support.world import START, World, make_deal, make_product, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(*(make_deal(f"A{n}", created=START - timedelta(minutes=n)) for n in range(5)))
    upsert.run(world.context)
    return world


def an_hour_of_runs(world: World, minutes: int = 60) -> None:
    for _ in range(minutes):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)


def deal(world: World, asin: str) -> Deal:
    with world.database.session() as session:
        return session.get_one(Deal, (1, asin))


def test_a_deal_whose_price_recovered_ends_with_that_reason(world: World) -> None:
    world.keepa.unlist("A1")
    world.keepa.products_by_asin["A1"] = make_product(make_deal("A1", price=2900))
    an_hour_of_runs(world)
    assert deal(world, "A1").ended_reason is EndedReason.PRICE_RECOVERED
    with world.database.session() as session:
        kinds = session.scalars(select(DealEvent.kind).where(DealEvent.asin == "A1").order_by(DealEvent.id))
        assert [str(kind) for kind in kinds] == ["present", "ended"]  # never stale in between


def test_a_price_that_product_tells_brings_its_own_percentages(world: World) -> None:
    world.keepa.unlist("A1")
    world.keepa.products_by_asin["A1"] = make_product(make_deal("A1", price=2900))
    before = deal(world, "A1")
    an_hour_of_runs(world)
    after = deal(world, "A1")
    assert after.price == 2900
    assert (before.price, before.price_avg_90, before.delta_percent) == (1500, 3000, 50)
    percents = [getattr(after, name) for name in PERCENTAGES]
    averages = [getattr(after, name) for name in PERCENTAGES.values()]
    assert percents == [
        None if average is None else round(100 * (average - 2900) / average) for average in averages
    ]
    assert after.delta_percent == 3


def kinds(world: World, asin: str) -> list[str]:
    with world.database.session() as session:
        found = session.scalars(select(DealEvent.kind).where(DealEvent.asin == asin).order_by(DealEvent.id))
        return [str(kind) for kind in found]


def questions(world: World, asin: str) -> int:
    return sum(asin in what for kind, what in world.keepa.calls if kind == "products")  # type: ignore[operator]


def test_a_deal_that_moved_to_the_top_is_not_asked_about(world: World) -> None:
    """A new price puts it there; Keepa may show that three minutes after the page on which it was missing."""
    moved = make_deal("A3", created=START + timedelta(minutes=1), price=1400)
    world.keepa.unlist("A3")
    an_hour_of_runs(world, 3)
    assert deal(world, "A3").unlisted_at is not None
    world.keepa.list(moved)
    an_hour_of_runs(world, 60)
    assert kinds(world, "A3") == ["present"]
    assert deal(world, "A3").price == 1400
    assert questions(world, "A3") == 0


def test_absence_is_asked_about_only_after_keepa_must_have_shown_the_move(world: World) -> None:
    world.keepa.unlist("A1")
    an_hour_of_runs(world, 4)
    assert questions(world, "A1") == 0
    an_hour_of_runs(world, 2)
    assert questions(world, "A1") == 1


def test_product_saying_that_it_holds_ends_no_suspect_and_carries_none_and_two_sweeps_end_it(
    world: World,
) -> None:
    """Another condition of the selection, which /product does not show, no longer holds."""
    world.keepa.unlist("A1")
    an_hour_of_runs(world, 59)
    assert deal(world, "A1").ended_at is None
    assert world.clock.now() - deal(world, "A1").last_seen_at < timedelta(hours=1), "still live"
    an_hour_of_runs(world, 2)
    assert world.clock.now() - deal(world, "A1").last_seen_at >= timedelta(hours=1), "live no more"
    an_hour_of_runs(world, 120)
    assert deal(world, "A1").ended_reason is EndedReason.NO_LONGER_LISTED
    assert questions(world, "A1") == 1


def test_a_suspect_at_another_price_has_been_repriced_and_is_carried(world: World) -> None:
    """The looks have missed where it went."""
    world.keepa.unlist("A1")
    world.keepa.products_by_asin["A1"] = make_product(make_deal("A1", price=1400))
    while not questions(world, "A1"):
        an_hour_of_runs(world, 1)
    found = deal(world, "A1")
    assert (found.price, found.unlisted_at, found.last_seen_at) == (1400, None, world.clock.now())


def test_what_nobody_could_pay_to_ask_about_ends_by_two_sweeps_all_the_same(world: World) -> None:
    """Gone from the feed is known; only the reason is not. It does not stay stale for ever."""

    def no_tokens_to_ask(kind: str, what: object) -> None:
        if kind == "products":
            raise TokensUnavailableError("none left", retry_after=60.0)

    world.keepa.unlist("A1")
    world.keepa.before_call = no_tokens_to_ask
    an_hour_of_runs(world)
    assert deal(world, "A1").ended_at is None
    an_hour_of_runs(world, 120)
    assert deal(world, "A1").ended_reason is EndedReason.NO_LONGER_MATCHES


def test_an_answer_that_tells_nothing_ends_nothing_and_is_not_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ASIN that is missing in the answer is not known to be gone."""
    world.keepa.unlist("A1")
    real = world.keepa.products

    def without(*args: object, **options: object) -> ProductBatch:
        return replace(real(*args, **options), products=(), unknown=())  # type: ignore[arg-type]

    monkeypatch.setattr(world.keepa, "products", without)
    an_hour_of_runs(world, 59)
    assert deal(world, "A1").ended_at is None
    assert questions(world, "A1") == 1


@pytest.mark.parametrize("by", ["a sight", "what /product told"])
def test_a_family_that_is_not_where_it_stood_is_asked_about_before_it_goes_stale(
    world: World, by: str
) -> None:
    """Its members stand at several places of the feed, and a sweep may meet none: no look tells of that."""
    now = world.clock.now()
    with world.database.begin() as session:
        family, other = session.get_one(Deal, (1, "A1")), session.get_one(Deal, (1, "A2"))
        for row in (family, other):
            row.last_seen_at = row.listed_at = now - timedelta(minutes=55)
            row.unlisted_at = now
        if by == "a sight":
            family.has_siblings = True
        else:
            names = ("A1", "A9")
            session.add_all(DealVariation(domain_id=1, asin=n, family="P", noted_at=now) for n in names)
    state = replace(load_state({}, world.context.selection, now), looked_at=now - timedelta(minutes=1))
    seen: list[Pending] = []

    def work(run: Run) -> Outcome:
        seen.append(pending(run, state))
        return Outcome.SUCCEEDED

    run_job(world.context, jobs.UPSERT_JOB, work)
    assert [doubtful.asin for doubtful in seen[0].missed] == ["A1"]
    assert seen[0].deadline == now + timedelta(minutes=5)


def test_a_feed_that_shrinks_to_less_than_half_proves_nothing_and_what_holds_stays_live(world: World) -> None:
    for asin in ("A1", "A2", "A3"):
        world.keepa.unlist(asin)
    an_hour_of_runs(world, 56)
    assert maintenance.run(world.context).live == 5
    assert deal(world, "A1").unlisted_at is None


def test_a_feed_that_stays_small_is_believed_with_the_sweeps_after_the_next(world: World) -> None:
    for asin in ("A1", "A2", "A3"):
        world.keepa.unlist(asin)
    an_hour_of_runs(world, 125)
    assert maintenance.run(world.context).live == 2
    an_hour_of_runs(world, 120)
    assert deal(world, "A1").ended_reason is EndedReason.NO_LONGER_LISTED


def test_a_deal_that_slips_past_a_sweep_is_asked_about_though_the_backfiller_came_after_its_beginning(
    tmp_path: Path,
) -> None:
    """A deal above it leaves between the reading of two pages, and the one below moves to the page before."""
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(*(make_deal(f"B{n:09d}", created=START - timedelta(minutes=n)) for n in range(350)))
    upsert.run(world.context)
    an_hour_of_runs(world, 10)
    backfill.run_slice(world.context)

    def leave_between_pages(kind: str, what: object) -> None:
        if (kind, what) == ("deals", 2):
            world.keepa.before_call = None
            world.keepa.unlist("B000000200")

    world.keepa.before_call = leave_between_pages
    world.keepa.calls.clear()
    for _ in range(75):
        an_hour_of_runs(world, 1)
        assert maintenance.run(world.context).live >= 349
    assert ("products", ("B000000300",)) in world.keepa.calls


def test_an_empty_feed_ends_nothing_but_what_product_confirms_is_live_for_four_windows_only(
    world: World,
) -> None:
    for asin in list(world.keepa.listed):
        world.keepa.unlist(asin)
    an_hour_of_runs(world, 110)
    assert maintenance.run(world.context).live == 5
    an_hour_of_runs(world, 140)
    result = maintenance.run(world.context)
    assert (result.live, result.stale, result.ended) == (0, 5, 0)
    assert deal(world, "A1").listed_at == START


def test_a_product_that_is_gone_ends(world: World) -> None:
    world.keepa.unlist("A1")
    del world.keepa.products_by_asin["A1"]
    an_hour_of_runs(world)
    assert deal(world, "A1").ended_reason is EndedReason.PRODUCT_GONE


def test_deals_that_the_feed_shows_cost_no_product_call(world: World) -> None:
    an_hour_of_runs(world, 120)
    assert {kind for kind, _ in world.keepa.calls} == {"deals"}


def test_an_ended_deal_that_comes_back_is_the_same_deal(world: World) -> None:
    first_seen_at = deal(world, "A1").first_seen_at
    world.keepa.unlist("A1")
    world.keepa.products_by_asin["A1"] = make_product(make_deal("A1", price=2900))
    an_hour_of_runs(world)
    world.keepa.list(make_deal("A1", created=world.clock.now()))
    upsert.run(world.context)
    found = deal(world, "A1")
    assert (found.ended_at, found.ended_reason, found.first_seen_at) == (None, None, first_seen_at)


def test_without_tokens_for_many_the_urgent_few_go_in_the_small_lane(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> object:
        raise TokensUnavailableError("later", retry_after=60)

    world.keepa.unlist("A1")
    world.keepa.products_by_asin["A1"] = make_product(make_deal("A1", price=2900))
    monkeypatch.setattr(world.tokens, "request_batch", refuse)
    an_hour_of_runs(world)
    assert deal(world, "A1").ended_reason is EndedReason.PRICE_RECOVERED
    assert ("product", 1) in world.tokens.asked
