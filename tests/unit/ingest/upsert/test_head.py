"""The watermark, repaired; much that is new; another selection; a clock that jumps."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from keepa_deals.db.models import Deal, DealEvent, JobState
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.ingest.context import IngestContext
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import endings
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.errors import ServerTroubleError
from tests.support.world import SELECTION, START, World, make_account, make_deal, make_world

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "deals.db")
    feed(world, 40)
    upsert.run(world.context)
    return world


def feed(world: World, count: int, *, first: int = 0, newest: timedelta = timedelta(0)) -> None:
    """``count`` deals, one a minute, the newest ``newest`` before now."""
    for number in range(count):
        created = world.clock.now() - newest - number * MINUTE
        world.keepa.list(make_deal(f"B{first + number:09d}", created=created))


def set_state(world: World, **values: Any) -> None:
    with world.database.begin() as session:
        state = session.get_one(JobState, UPSERT_JOB.name)
        for name, value in values.items():
            setattr(state, name, value)


def state(world: World) -> JobState:
    with world.database.session() as session:
        return session.get_one(JobState, UPSERT_JOB.name)


def count(world: World, *conditions: Any) -> int:
    with world.database.session() as session:
        return session.scalar(select(func.count()).select_from(Deal).where(*conditions)) or 0


def minutes(world: World, number: int, context: IngestContext | None = None) -> None:
    for _ in range(number):
        world.clock.pass_time(MINUTE)
        assert upsert.run(context or world.context).outcome is Outcome.SUCCEEDED


def test_a_watermark_from_the_future_goes_back_to_the_newest_deal_that_is_known(world: World) -> None:
    set_state(world, watermark=START + timedelta(days=400))
    world.clock.pass_time(timedelta(hours=6))
    feed(world, 320, first=1000)
    upsert.run(world.context)
    assert count(world) == 360
    assert state(world).watermark == world.clock.now()


def test_a_creation_date_from_the_future_never_becomes_the_watermark(world: World) -> None:
    world.clock.pass_time(MINUTE)
    world.keepa.list(make_deal("FUTURE", created=START + timedelta(days=400)))
    upsert.run(world.context)
    assert state(world).watermark == START
    assert count(world, Deal.asin == "FUTURE") == 1


def test_a_watermark_of_years_ago_is_repaired_by_reading_the_whole_feed_at_once(world: World) -> None:
    set_state(world, watermark=START - timedelta(days=2000))
    feed(world, 1500, first=1000, newest=timedelta(hours=2))
    minutes(world, 1)
    assert count(world) == 1540
    assert state(world).watermark == START
    assert sorted(set(world.keepa.pages_read())) == list(range(11))


def test_much_that_is_new_is_read_to_the_last_deal_and_only_then_the_watermark_moves(world: World) -> None:
    world.clock.pass_time(timedelta(hours=30))
    feed(world, 1700, first=1000)

    def fail_on_page_nine(kind: str, what: object) -> None:
        if what == 9:
            raise ServerTroubleError("500")

    world.keepa.before_call = fail_on_page_nine
    assert upsert.run(world.context).outcome is Outcome.FAILED
    assert state(world).watermark == START
    world.keepa.before_call = None
    world.clock.pass_time(MINUTE)
    feed(world, 1, first=5000)
    upsert.run(world.context)
    assert count(world) == 1741
    assert state(world).watermark == world.clock.now()


def test_an_immediate_sweep_asks_no_product_about_what_it_is_about_to_read(world: World) -> None:
    """The outage came in the middle of a sweep, whose floor lay deep in the feed."""
    world.tokens.account = make_account(world.clock, rate=60)
    feed(world, 2000, first=5000)
    minutes(world, 100)
    assert state(world).cursor["floor"] is not None
    world.clock.pass_time(timedelta(hours=2))
    now = world.clock.now()
    world.keepa.list(*(make_deal(f"N{n:09d}", created=now - timedelta(seconds=7 * n)) for n in range(1000)))
    world.keepa.calls.clear()
    minutes(world, 3)
    assert {kind for kind, _ in world.keepa.calls} == {"deals"}
    assert max(page for page in world.keepa.pages_read() if isinstance(page, int)) == 20


def test_another_selection_ends_what_it_does_not_match_without_a_token(world: World) -> None:
    world.keepa.list(make_deal("DEEP", price=600))  # 80 % below
    minutes(world, 1)
    object.__setattr__(world.context, "selection", {**SELECTION, "deltaPercentRange": [70, 2147483647]})
    world.keepa.calls.clear()
    minutes(world, 6)  # Keepa may show at the top, minutes later, what a page in between no longer has
    assert count(world, Deal.ended_at.is_(None)) == 1
    assert count(world, Deal.ended_reason == EndedReason.NO_LONGER_MATCHES) == 40
    assert {kind for kind, _ in world.keepa.calls} == {"deals"}


def test_another_locale_ends_the_deals_of_the_one_before(world: World) -> None:
    object.__setattr__(world.context, "selection", {**SELECTION, "domainId": 3})
    minutes(world, 1)
    assert count(world, Deal.domain_id == 1, Deal.ended_at.is_(None)) == 0
    assert count(world, Deal.domain_id == 3, Deal.ended_at.is_(None)) == 40


def test_deals_seen_by_a_clock_that_has_been_set_back_are_not_ended_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.jump(timedelta(minutes=-3))
    object.__setattr__(world.context, "selection", {**SELECTION, "domainId": 3})
    written: list[int] = []
    real = endings.end_deals
    with monkeypatch.context() as patch:
        patch.setattr(endings, "end_deals", lambda *args: (written.append(1), world.stop.set(), real(*args)))
        assert upsert.run(world.context).outcome is Outcome.SUCCEEDED
    assert written == []
    minutes(world, 4)
    assert count(world, Deal.domain_id == 1, Deal.ended_at.is_(None)) == 0


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1), timedelta(minutes=-30)])
def test_a_clock_that_was_wrong_for_a_while_stops_nothing(world: World, jump: timedelta) -> None:
    minutes(world, 5)
    world.clock.jump(jump)
    minutes(world, 5)
    world.clock.jump(-jump)
    minutes(world, 70)
    result = maintenance.run(world.context)
    assert (result.live, result.stale, result.ended) == (40, 0, 0)
    with world.database.session() as session:
        latest = session.scalar(select(func.max(Deal.last_seen_at)))
    assert latest == world.clock.now()


def test_a_deal_seen_by_a_clock_that_was_ahead_still_ends_when_keepa_drops_it(world: World) -> None:
    world.clock.jump(timedelta(days=1))
    upsert.run(world.context)
    world.clock.jump(timedelta(days=-1))
    world.keepa.unlist("B000000007")
    minutes(world, 1)
    assert count(world, Deal.asin == "B000000007", Deal.ended_at.is_not(None)) == 1


def test_a_run_that_cannot_keep_up_keeps_the_newest_and_says_so(tmp_path: Path) -> None:
    world = make_world(tmp_path / "small.db")
    world.tokens.account = make_account(world.clock, rate=1)  # 60 tokens a window
    feed(world, 900)
    minutes(world, 1)
    plan = state(world).cursor["plan"]  # type: ignore[index]
    assert (plan["matching"], plan["limit"], plan["pages"]) == (900, "plan", 1)
    assert plan["needed"] > plan["supply"] == 60


def test_an_outage_is_made_good_in_the_first_run_after_it(world: World) -> None:
    feed(world, 700, first=1000, newest=timedelta(hours=1))
    set_state(world, watermark=None, cursor=None)
    minutes(world, 60)
    world.clock.pass_time(timedelta(hours=3))
    assert maintenance.run(world.context).live == 0
    upsert.run(world.context)
    result = maintenance.run(world.context)
    assert (result.live, result.stale) == (740, 0)
    with world.database.session() as session:
        kinds = session.execute(select(DealEvent.kind, func.count()).group_by(DealEvent.kind)).all()
    assert dict(kinds)[DealEventKind.LIVE_AGAIN] == dict(kinds)[DealEventKind.STALE]  # type: ignore[arg-type]
