"""The backfiller on SQLite, with a feed in memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from keepa_deals.db.models import Deal, DealEvent, JobState
from keepa_deals.deals.kinds import DealEventKind
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.backfill.enrich import options_for
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.jobs import BACKFILL_JOB, UPSERT_JOB
from tests.support.world import SELECTION, START, World, make_deal, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "deals.db")
    for number in range(400):
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(minutes=number)))
    return world


def deals(world: World) -> list[Deal]:
    with world.database.session() as session:
        return list(session.scalars(select(Deal)))


def test_a_slice_walks_the_feed_and_enriches_everything(world: World) -> None:
    assert backfill.run_slice(world.context).outcome is Outcome.SUCCEEDED
    assert world.keepa.pages_read() == [0, 1, 2]
    found = deals(world)
    assert len(found) == 400
    assert all(deal.enriched_at == START and deal.rank_drops_30 == 12 for deal in found)
    assert {deal.referral_fee_bp for deal in found} == {1501}


def test_with_everything_fresh_it_spends_nothing(world: World) -> None:
    backfill.run_slice(world.context)
    calls = len(world.keepa.calls)
    assert backfill.run_slice(world.context).outcome is Outcome.NOTHING_TO_DO
    assert len(world.keepa.calls) == calls


def test_the_deals_that_it_fills_the_table_with_are_no_news(world: World) -> None:
    upsert.run(world.context)  # a page of three
    backfill.run_slice(world.context)
    with world.database.session() as session:
        kinds = session.scalars(select(DealEvent.kind)).all()
    assert kinds == [DealEventKind.PRESENT] * 400


def test_before_the_upserter_has_read_anything_they_are_none_either(world: World) -> None:
    world.keepa.list(make_deal("NEW", created=START + timedelta(minutes=1)))
    backfill.run_slice(world.context)
    with world.database.session() as session:
        news = session.scalars(select(DealEvent.asin).where(DealEvent.kind == DealEventKind.FOUND)).all()
    assert news == ["NEW"]


def test_after_a_crash_it_goes_on_where_it_was(world: World) -> None:
    def die_on_page_one(kind: str, what: object) -> None:
        if what == 1:
            raise KeyboardInterrupt

    world.keepa.before_call = die_on_page_one
    with pytest.raises(KeyboardInterrupt):
        backfill.run_slice(world.context)
    world.keepa.before_call = None
    world.keepa.calls.clear()
    backfill.run_slice(world.context)
    assert world.keepa.pages_read() == [1, 2]


def test_a_slice_ends_in_time_and_leaves_its_cursor(world: World) -> None:
    world.keepa.before_call = lambda kind, what: world.clock.pass_time(timedelta(seconds=30))
    assert backfill.run_slice(world.context).outcome is Outcome.SUCCEEDED
    assert world.keepa.pages_read() == [0, 1]
    with world.database.session() as session:
        state = session.get(JobState, BACKFILL_JOB.name)
        assert state is not None
        assert state.cursor is not None
        assert state.cursor["page"] == 2


def test_without_tokens_it_says_that_it_waits(world: World) -> None:
    world.tokens.refuse = TokensUnavailableError("later", retry_after=60)
    assert backfill.run_slice(world.context).outcome is Outcome.WAITING_FOR_TOKENS


def test_it_never_spends_from_the_small_lane(world: World) -> None:
    backfill.run_slice(world.context)
    assert {kind for kind, _ in world.tokens.asked} == {"deal", "product"}


def test_what_is_stale_or_gone_from_the_feed_gets_no_tokens(world: World) -> None:
    backfill.run_slice(world.context)
    world.clock.pass_time(timedelta(hours=25))
    assert backfill.run_slice(world.context).outcome is Outcome.NOTHING_TO_DO


def test_it_walks_no_further_than_the_plan_can_keep_fresh(world: World) -> None:
    upsert.run(world.context)
    with world.database.begin() as session:
        state = session.get_one(JobState, UPSERT_JOB.name)
        state.cursor = {**state.cursor, "plan": {**state.cursor["plan"], "pages": 2, "limit": "plan"}}
    world.keepa.calls.clear()
    backfill.run_slice(world.context)
    assert world.keepa.pages_read() == [0, 1]


def test_the_oldest_details_are_renewed_after_a_day(world: World) -> None:
    upsert.run(world.context)
    backfill.run_slice(world.context)
    world.keepa.calls.clear()
    world.clock.pass_time(timedelta(hours=25))
    upsert.run(world.context)
    world.keepa.calls.clear()
    assert backfill.run_slice(world.context).rows == 400
    assert [kind for kind, _ in world.keepa.calls] == ["products"] * 4


@pytest.mark.parametrize(
    ("sell_price", "kinds", "price"),
    [("average_90", [1], 1), ("buy_box", [1], 3), ("average_90", [18], 3), ("average_90", [2], 1)],
)
def test_the_buy_box_is_asked_for_and_paid_only_where_it_is_used(
    tmp_path: Path, sell_price: str, kinds: list[int], price: int
) -> None:
    selection = {**SELECTION, "priceTypes": kinds}
    world = make_world(tmp_path / "buy_box.db", selection=selection, sell_price=sell_price)
    options = options_for(world.context)
    assert (options.documented_tokens_per_product(), options.buybox) == (price, price == 3)
