"""Variations of one product, of which the feed shows another one each time, are one deal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.keepa.deal import Deal as KeepaDeal
from tests.support.world import SELECTION, START, World, make_deal, make_product, make_world

FAMILY = ("A000000001", "A000000002", "A000000003")
CREATED = START - timedelta(minutes=10)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One variation is listed, between other deals; the selection is of single variations."""
    world = make_world(tmp_path / "deals.db", selection={**SELECTION, "singleVariation": True})
    for number in range(20):
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(minutes=number)))
    show(world, 0)
    return world


def variation(number: int, **changes: Any) -> KeepaDeal:
    return make_deal(FAMILY[number], **{"created": CREATED, **changes})


def show(world: World, number: int, **changes: Any) -> None:
    """The feed shows this variation, and none of the others; /product knows all of them."""
    for asin in FAMILY:
        world.keepa.listed.pop(asin, None)
    deal = variation(number, **changes)
    world.keepa.listed[deal.asin] = deal
    for each in (*(variation(n) for n in range(3) if n != number), deal):
        if each.asin not in world.keepa.products_by_asin or each is deal:
            product = make_product(each)
            world.keepa.products_by_asin[each.asin] = replace(
                product, parent_asin="P000000000", variations=FAMILY
            )


def minutes(world: World, count: int) -> None:
    for _ in range(count):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)


def deals(world: World) -> dict[str, Deal]:
    with world.database.session() as session:
        return {d.asin: d for d in session.scalars(select(Deal)) if d.asin in FAMILY}


def events(world: World) -> list[tuple[str, str]]:
    query = select(DealEvent.asin, DealEvent.kind).where(DealEvent.asin.in_(FAMILY)).order_by(DealEvent.id)
    with world.database.session() as session:
        return [(asin, str(kind)) for asin, kind in session.execute(query).all()]


def test_a_variation_that_takes_the_place_of_another_is_the_same_deal(world: World) -> None:
    minutes(world, 1)
    backfill.run_slice(world.context)  # reads to which family it belongs
    for turn in range(150):
        show(world, turn % 3)
        minutes(world, 1)
    assert events(world) == [(FAMILY[0], "present")]
    deal = deals(world)[FAMILY[0]]
    assert world.clock.now() - deal.last_seen_at <= timedelta(minutes=1)
    assert deal.has_siblings
    assert deal.unlisted_at is None


def test_before_a_variation_of_an_unknown_family_is_announced_keepa_is_asked(world: World) -> None:
    minutes(world, 1)
    world.keepa.calls.clear()
    show(world, 1)
    minutes(world, 5)
    assert events(world) == [(FAMILY[0], "present")]
    assert [what for kind, what in world.keepa.calls if kind == "products"] == [(FAMILY[1],)]


def test_a_variation_at_another_date_and_price_is_asked_about_while_the_family_is_unknown(
    world: World,
) -> None:
    minutes(world, 1)
    world.keepa.calls.clear()
    show(world, 1, created=START + timedelta(minutes=1), price=1400)
    minutes(world, 2)
    assert events(world) == [(FAMILY[0], "present")]
    assert [what for kind, what in world.keepa.calls if kind == "products"] == [(FAMILY[1],)]


def test_once_every_deal_was_asked_about_no_stranger_costs_a_question(world: World) -> None:
    minutes(world, 1)
    backfill.run_slice(world.context)
    world.keepa.calls.clear()
    world.keepa.list(make_deal("B000000099", created=START + timedelta(minutes=1)))
    minutes(world, 1)
    assert [kind for kind, _ in world.keepa.calls if kind == "products"] == []


def test_of_many_strangers_those_that_nobody_could_ask_about_wait_for_the_next_look(world: World) -> None:
    others = [make_deal(f"B000001{number:03d}", created=START - timedelta(hours=1)) for number in range(106)]
    for other in others:
        world.keepa.list(other)
    minutes(world, 1)
    new = [f"B0000002{number:02d}" for number in range(22)]
    for asin in new:
        world.keepa.list(make_deal(asin, created=START + timedelta(minutes=1)))
    show(world, 1)

    def found() -> set[str]:
        with world.database.session() as session:
            return {*session.scalars(select(Deal.asin).where(Deal.asin.in_(new)))}

    minutes(world, 1)
    assert 0 < len(found()) < len(new)
    minutes(world, 2)
    assert found() == {*new}
    assert events(world) == [(FAMILY[0], "present")]


def test_while_the_table_fills_strangers_cost_no_question(world: World) -> None:
    minutes(world, 1)
    world.keepa.calls.clear()
    for number in range(30):  # the table has a tenth of the feed
        world.keepa.list(make_deal(f"B0000002{number:02d}", created=START - timedelta(hours=1)))
    minutes(world, 1)
    assert [kind for kind, _ in world.keepa.calls if kind == "products"] == []


def test_two_deals_that_turn_out_to_be_variations_become_the_one_found_first(world: World) -> None:
    minutes(world, 1)
    known = world.keepa.products_by_asin[FAMILY[1]]
    show(world, 1, created=START + timedelta(minutes=1), price=1400)
    for asin in FAMILY:
        stranger = replace(world.keepa.products_by_asin[asin], parent_asin=None, variations=())
        world.keepa.products_by_asin[asin] = stranger  # Keepa does not tell the family yet
    minutes(world, 1)
    assert set(deals(world)) == set(FAMILY[:2])
    for asin in FAMILY:
        world.keepa.products_by_asin[asin] = replace(known, asin=asin)
    backfill.run_slice(world.context)
    found = deals(world)
    assert found[FAMILY[0]].ended_at is None
    assert found[FAMILY[0]].last_seen_at == found[FAMILY[1]].last_seen_at
    assert found[FAMILY[1]].ended_reason is EndedReason.MERGED
    minutes(world, 130)
    assert [kind for _, kind in events(world)] == ["present", "found", "ended"]


def test_another_price_is_shown_once_its_variation_has_stood_for_half_a_window(world: World) -> None:
    minutes(world, 1)
    backfill.run_slice(world.context)
    show(world, 1, price=1400, created=START)
    minutes(world, 20)
    assert (deals(world)[FAMILY[0]].price, deals(world)[FAMILY[0]].shown_asin) == (1500, None)
    minutes(world, 15)
    deal = deals(world)[FAMILY[0]]
    assert (deal.price, deal.shown_asin, deal.deal_created_at) == (1400, FAMILY[1], START)
    show(world, 0)
    minutes(world, 1)
    assert deals(world)[FAMILY[0]].price == 1400, "no to and fro"


def test_a_no_about_one_variation_ends_the_family_only_when_sweeps_do_not_show_another(world: World) -> None:
    minutes(world, 1)
    backfill.run_slice(world.context)
    show(world, 1)
    minutes(world, 2)
    for asin in FAMILY:
        world.keepa.listed.pop(asin, None)
        over = replace(make_product(make_deal(asin, price=2900)), variations=FAMILY)
        world.keepa.products_by_asin[asin] = over
    minutes(world, 20)
    deal = deals(world)[FAMILY[0]]
    assert (deal.ended_at, deal.suspected_reason) == (None, EndedReason.PRICE_RECOVERED)
    minutes(world, 60)
    deal = deals(world)[FAMILY[0]]
    assert world.clock.now() - deal.last_seen_at > timedelta(hours=1), "no longer live"
    minutes(world, 4 * 60)
    assert deals(world)[FAMILY[0]].ended_reason is EndedReason.PRICE_RECOVERED


def test_a_no_about_one_variation_is_no_end_though_no_other_was_ever_seen(world: World) -> None:
    minutes(world, 1)
    over = replace(make_product(make_deal(FAMILY[0], price=2900)), parent_asin="P000000000", variations=())
    world.keepa.products_by_asin[FAMILY[0]] = over
    del world.keepa.listed[FAMILY[0]]
    minutes(world, 20)
    deal = deals(world)[FAMILY[0]]
    assert (deal.ended_at, deal.suspected_reason) == (None, EndedReason.PRICE_RECOVERED)
    assert deal.price == 1500, "what another variation costs is not known"


def test_a_family_that_holds_is_carried_for_one_window_though_a_sweep_met_none_of_it(world: World) -> None:
    """Its members stand at several places; for each page Keepa picks the one that stands elsewhere."""
    minutes(world, 1)
    backfill.run_slice(world.context)
    found = deals(world)[FAMILY[0]].listed_at
    del world.keepa.listed[FAMILY[0]]
    minutes(world, 110)
    deal = deals(world)[FAMILY[0]]
    assert deal.listed_at == found
    assert world.clock.now() - deal.last_seen_at < timedelta(hours=1), "live"
    minutes(world, 15)
    deal = deals(world)[FAMILY[0]]
    assert world.clock.now() - deal.last_seen_at > timedelta(hours=1), "no longer live"


def test_a_variation_is_asked_about_where_only_the_parent_is_known(world: World) -> None:
    for asin in FAMILY:
        world.keepa.products_by_asin[asin] = replace(world.keepa.products_by_asin[asin], variations=())
    minutes(world, 1)
    backfill.run_slice(world.context)
    known = world.keepa.products_by_asin[FAMILY[1]]
    show(world, 1, created=START + timedelta(minutes=1), price=1400)
    world.keepa.products_by_asin[FAMILY[1]] = known
    minutes(world, 2)
    assert events(world) == [(FAMILY[0], "present")]


def test_where_each_variation_is_listed_by_itself_none_stands_for_another(tmp_path: Path) -> None:
    world = make_world(tmp_path / "deals.db")
    show(world, 0)
    minutes(world, 1)
    world.keepa.listed[FAMILY[1]] = variation(1)
    minutes(world, 1)
    backfill.run_slice(world.context)
    assert {asin for asin, deal in deals(world).items() if deal.ended_at is None} == set(FAMILY[:2])
