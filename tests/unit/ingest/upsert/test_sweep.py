"""The upserter on SQLite, with a feed in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from keepa_deals.db.models import Deal, DealEvent, JobState
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.run import Outcome
from keepa_deals.ingest.upsert import budget
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.errors import ServerTroubleError
from tests.support.world import START, FakeLock, World, make_account, make_deal, make_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "deals.db")


def stored(world: World) -> dict[str, Deal]:
    with world.database.session() as session:
        return {deal.asin: deal for deal in session.scalars(select(Deal))}


def state(world: World, job: str = UPSERT_JOB.name) -> JobState:
    with world.database.session() as session:
        found = session.get(JobState, job)
        assert found is not None
        return found


def feed(world: World, count: int, *, before: timedelta = timedelta(0)) -> None:
    """``count`` deals, one a minute, the newest ``before`` the present."""
    for number in range(count):
        created = world.clock.now() - before - timedelta(minutes=number)
        world.keepa.list(make_deal(f"B{number:09d}", created=created))


def test_the_first_run_reads_one_page_and_remembers_how_far(world: World) -> None:
    feed(world, 400)
    result = upsert.run(world.context)
    assert (result.outcome, result.rows, result.tokens_spent) == (Outcome.SUCCEEDED, 150, 5)
    assert state(world).watermark == START


def test_a_run_goes_down_to_the_watermark_and_no_further(world: World) -> None:
    feed(world, 10)
    upsert.run(world.context)
    world.clock.pass_time(timedelta(hours=10))
    feed(world, 320)  # the old ones are renamed by this; 320 new minutes
    world.keepa.calls.clear()
    upsert.run(world.context)
    assert world.keepa.pages_read()[:3] == [0, 1, 2]


def test_what_is_seen_again_moves_last_seen_and_keeps_first_seen(world: World) -> None:
    world.keepa.list(make_deal("A"))
    upsert.run(world.context)
    world.clock.pass_time(timedelta(minutes=1))
    world.keepa.list(make_deal("A", price=1200))
    upsert.run(world.context)
    deal = stored(world)["A"]
    assert deal.first_seen_at == START
    assert deal.last_seen_at == START + timedelta(minutes=1)
    assert deal.price == 1200


def test_a_failed_page_leaves_the_watermark_and_the_next_run_skips_nothing(world: World) -> None:
    feed(world, 20)
    upsert.run(world.context)
    before = state(world).watermark
    world.clock.pass_time(timedelta(hours=8))
    feed(world, 400)

    def fail_on_page_two(kind: str, what: object) -> None:
        if what == 2:
            raise ServerTroubleError("500")

    world.keepa.before_call = fail_on_page_two
    assert upsert.run(world.context).outcome is Outcome.FAILED
    assert state(world).watermark == before
    world.keepa.before_call = None
    upsert.run(world.context)
    assert len(stored(world)) >= 400


def test_the_whole_feed_is_seen_again_within_the_freshness_window(world: World) -> None:
    feed(world, 700)
    backfill.run_slice(world.context)
    for _ in range(180):
        world.clock.pass_time(timedelta(minutes=1))
        assert upsert.run(world.context).outcome is Outcome.SUCCEEDED
        result = maintenance.run(world.context)
        assert (result.live, result.stale) == (700, 0)


def test_the_first_sweep_spreads_its_pages_evenly_over_the_window(world: World) -> None:
    world.tokens.account = make_account(world.clock, rate=60)
    feed(world, 410)
    first: dict[object, int] = {}
    for minute in range(60):
        upsert.run(world.context)
        world.clock.pass_time(timedelta(minutes=1))
        for page in world.keepa.pages_read():
            first.setdefault(page, minute)
    assert {page: minute // 15 for page, minute in first.items()} == {0: 0, 1: 1, 2: 2}, first


def test_a_sweep_that_ends_late_is_not_followed_by_one_too_many(world: World) -> None:
    """Its pages were read late because nothing on them was due: the next sweep's are not due either."""
    feed(world, 700)
    upsert.run(world.context)
    world.clock.pass_time(timedelta(minutes=10))
    backfill.run_slice(world.context)
    world.keepa.calls.clear()
    for _ in range(80):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
    assert [page for page in world.keepa.pages_read() if page] == [1, 2, 3, 4]
    assert maintenance.run(world.context).live == 700


def test_pages_whose_tokens_are_there_are_read_at_their_deadline_and_not_one_by_one_before(
    world: World,
) -> None:
    world.tokens.account = make_account(world.clock, rate=5)  # and a bucket with nine pages and a look
    feed(world, 700)
    upsert.run(world.context)
    backfill.run_slice(world.context)  # all pages at one moment: they have one deadline
    world.clock.pass_time(timedelta(minutes=51))
    read = {}
    for minute in range(51, 60):
        world.keepa.calls.clear()
        upsert.run(world.context)
        read[minute] = [page for page in world.keepa.pages_read() if page]
        world.clock.pass_time(timedelta(minutes=1))
    assert {minute: pages for minute, pages in read.items() if pages} == {58: [1, 2, 3, 4]}


def test_a_deal_that_slipped_past_the_sweep_makes_no_page_due_sooner(
    world: World,
) -> None:
    """It is asked about by itself; all others were seen a moment ago."""
    world.tokens.account = make_account(world.clock, rate=3)
    feed(world, 700)
    upsert.run(world.context)
    backfill.run_slice(world.context)
    world.keepa.calls.clear()
    while world.keepa.pages_read().count(2) < 2:
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
    now = world.clock.now()
    long_ago = now - timedelta(minutes=48)  # before this sweep began
    with world.database.begin() as session:
        session.execute(update(Deal).values(last_seen_at=now, listed_at=now))
        slipped = update(Deal).where(Deal.asin == "B000000200")
        session.execute(slipped.values(last_seen_at=long_ago, listed_at=long_ago))
    world.keepa.unlist("B000000200")
    world.keepa.calls.clear()
    for _ in range(10):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
    assert {page for page in world.keepa.pages_read() if page} == set()
    assert ("products", ("B000000200",)) in world.keepa.calls


def test_a_run_that_outlasts_its_interval_does_the_work_of_the_message_it_turned_away(world: World) -> None:
    feed(world, 5)

    def answer_late(kind: str, what: object) -> None:
        world.keepa.before_call = None
        world.clock.pass_time(timedelta(seconds=61))

    world.keepa.before_call = answer_late
    upsert.run(world.context)
    assert world.keepa.pages_read() == [0, 0]
    world.clock.pass_time(timedelta(minutes=1))
    upsert.run(world.context)
    assert world.keepa.pages_read() == [0, 0, 0]


def test_runs_that_all_outlast_their_interval_end_before_their_task_is_taken_for_wedged(world: World) -> None:
    feed(world, 5)
    world.keepa.before_call = lambda kind, what: world.clock.pass_time(timedelta(seconds=61))
    upsert.run(world.context)
    assert upsert.MAX_DURATION <= world.clock.now() - START <= upsert.MAX_DURATION + timedelta(minutes=2)


def test_where_much_is_new_the_overlap_is_read_whole_only_now_and_then(world: World) -> None:
    for number in range(320):  # all of them in the overlap
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(seconds=number)))
    upsert.run(world.context)
    read = []
    for minute in range(1, 7):
        world.clock.pass_time(timedelta(minutes=1))
        if minute == 2:  # shown late, and too deep for the newest page
            world.keepa.list(make_deal("LATE", created=START - timedelta(seconds=200)))
        world.keepa.calls.clear()
        upsert.run(world.context)
        read.append(world.keepa.pages_read())
    assert read == [[0, 1, 2], [0], [0], [0], [0], [0, 1, 2]]
    assert "LATE" in stored(world)


def test_an_overlap_deeper_than_a_look_goes_starts_no_immediate_sweep(world: World) -> None:
    """Each run would begin another one, and none would come to the feed's end."""
    for number in range(1500):  # two a second: the overlap has eight pages
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(seconds=number / 2)))
    upsert.run(world.context)
    read = []
    for minute in range(1, 7):
        world.clock.pass_time(timedelta(minutes=1))
        for second in range(60):
            created = world.clock.now() - timedelta(seconds=second)
            world.keepa.list(make_deal(f"C{minute:06d}{second:03d}", created=created))
        world.keepa.calls.clear()
        upsert.run(world.context)
        read.append(world.keepa.pages_read())
        assert state(world).watermark == world.clock.now()
    assert read == [[0, 1, 2, 3, 4], [0], [0], [0], [0], [0, 1, 2, 3, 4]]


def test_the_first_plan_knows_what_comes_and_goes_by_the_newest_page(world: World) -> None:
    for number in range(9000):  # ten a minute
        world.keepa.list(make_deal(f"B{number:09d}", created=START - timedelta(seconds=6 * number)))
    world.tokens.account = make_account(world.clock, rate=5)
    upsert.run(world.context)
    first = state(world).cursor["plan"]
    expected = budget.make_plan(
        budget.FeedSize(9000, 605, 270, timedelta(hours=1)),  # 150 came within 149 times 6 s
        timedelta(minutes=1),
        budget.Supply(5, timedelta(minutes=1), timedelta(hours=1)),
    )
    assert (first["kept"], first["needed"]) == (expected.kept, expected.needed)
    backfill.run_slice(world.context)
    assert len(stored(world)) == expected.kept


def test_a_run_that_finds_the_lock_taken_does_nothing(world: World) -> None:
    world.lock.free = False
    assert upsert.run(world.context).outcome is Outcome.SKIPPED_LOCKED
    assert world.keepa.calls == []


def test_a_run_that_lost_its_lock_writes_nothing(world: World) -> None:
    feed(world, 5)

    def lose(kind: str, what: object) -> None:
        world.lock.lost.set()

    world.keepa.before_call = lose
    assert upsert.run(world.context).outcome is Outcome.LOST_LOCK
    assert stored(world) == {}


def test_a_paused_worker_is_stopped_by_the_fence(world: World) -> None:
    """It was stopped past its lock's life and does not know; another run came in between."""
    feed(world, 5)

    def another_run_starts(kind: str, what: object) -> None:
        world.keepa.before_call = None
        other = FakeLock()
        context = world.context
        object.__setattr__(context, "lock", lambda _name: other)
        assert upsert.run(context).outcome is Outcome.SUCCEEDED
        world.clock.pass_time(timedelta(minutes=1))

    world.keepa.before_call = another_run_starts
    assert upsert.run(world.context).outcome is Outcome.LOST_LOCK
    assert {deal.last_seen_at for deal in stored(world).values()} == {START}


def test_a_stop_ends_the_run_before_the_next_call(world: World) -> None:
    feed(world, 5)
    world.stop.set()
    assert upsert.run(world.context).outcome is Outcome.CANCELLED
    assert world.keepa.calls == []


def test_changes_of_state_are_recorded(world: World) -> None:
    world.keepa.list(make_deal("A"))
    upsert.run(world.context)
    world.keepa.unlist("A")
    world.clock.pass_time(timedelta(minutes=61))
    assert maintenance.run(world.context).newly_stale == 1
    assert maintenance.run(world.context).newly_stale == 0
    world.keepa.list(make_deal("A"))
    upsert.run(world.context)
    with world.database.session() as session:
        kinds = session.scalars(select(DealEvent.kind).order_by(DealEvent.id)).all()
    assert [str(kind) for kind in kinds] == ["present", "stale", "live_again"]


def kinds(world: World) -> dict[str, str]:
    with world.database.session() as session:
        return {event.asin: str(event.kind) for event in session.scalars(select(DealEvent))}


def test_what_was_in_the_feed_before_it_was_read_is_no_news(world: World) -> None:
    feed(world, 400)
    upsert.run(world.context)  # a page of three
    world.keepa.list(make_deal("NEW", created=START + timedelta(minutes=1)))
    while "swept_since" not in (state(world).cursor or {}):
        world.clock.pass_time(timedelta(minutes=1))
        upsert.run(world.context)
    found = kinds(world)
    assert len(found) == 401
    assert {asin for asin, kind in found.items() if kind == "found"} == {"NEW"}


def test_once_the_feed_was_read_to_its_end_an_old_deal_that_enters_is_news(world: World) -> None:
    feed(world, 5)
    upsert.run(world.context)
    world.keepa.list(make_deal("DEEP", created=START - timedelta(days=3)))
    world.clock.pass_time(timedelta(minutes=1))
    upsert.run(world.context)
    assert kinds(world) == {**dict.fromkeys((f"B{n:09d}" for n in range(5)), "present"), "DEEP": "found"}


def test_the_deals_of_another_selection_are_no_news_either(world: World) -> None:
    feed(world, 5)
    upsert.run(world.context)
    world.clock.pass_time(timedelta(hours=2))
    world.keepa.listed.clear()
    world.keepa.list(make_deal("OTHER", created=START + timedelta(hours=1)))
    context = replace(world.context, selection={**world.context.selection, "deltaRange": [100, 5000]})
    upsert.run(context)
    assert kinds(world)["OTHER"] == "present"
