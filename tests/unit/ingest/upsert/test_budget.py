"""What is read when: the plan by figures worked out by hand, the rules by properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.upsert import budget
from keepa_deals.ingest.upsert.budget import Feed, Limit, Plan, Step, Supply, Sweep, make_plan, next_step
from keepa_deals.ingest.upsert.state import CatchUp, Memory, fingerprint, recall

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def plan(matching: int, rate: int | None, *, leaving: int = 0, arriving: int = 0) -> Plan:
    supply = Supply(rate, MINUTE, HOUR) if rate is not None else None
    return make_plan(Feed(matching, arriving, leaving, HOUR), MINUTE, supply)


def test_450_deals_at_20_a_minute_leave_most_to_the_backfiller() -> None:
    found = plan(450, 20, leaving=50)
    assert (found.kept, found.pages, found.limit) == (450, 3, None)
    assert found.head_every == MINUTE
    assert found.needed == 16 + 60 + 50  # three pages in 96.5 % of the window, a dozen looks, the leaving
    assert found.supply == 1200


def test_a_small_plan_looks_for_new_deals_less_often_before_it_gives_up_any() -> None:
    found = plan(450, 5, leaving=50)
    assert (found.kept, found.limit) == (450, None)
    assert found.head_every == 2 * MINUTE  # half of 300 tokens
    more = plan(5700, 5, leaving=30)
    assert more.kept == 5700
    assert 4 * MINUTE < more.head_every <= 5 * MINUTE


def test_a_sweep_is_begun_as_early_as_its_tokens_and_the_looks_in_between_need() -> None:
    assert plan(450, 5).page_every == MINUTE  # three pages are read between two looks
    assert plan(1500, 5).page_every == 1.25 * MINUTE  # ten are not: 60 of the 300 tokens pay for looks
    assert plan(1500, 20).page_every == MINUTE / 3  # a look each minute leaves 15 of 20


def test_a_large_plan_does_not_count_on_what_bulk_may_take_before_a_page_asks_again() -> None:
    large = plan(50_000, 250)
    assert large.page_every < 2 * timedelta(seconds=1)
    assert budget.page_pace(large, MINUTE, 50) == MINUTE / 10  # 50 tokens are ten pages
    assert budget.page_pace(large, MINUTE, 0) == MINUTE  # only the page that waits is sure
    assert budget.page_pace(plan(1500, 5), MINUTE, 50) == 1.25 * MINUTE  # a small plan's own pace is slower
    assert budget.page_pace(plan(450, None), MINUTE, 50) == budget.page_pace(None, MINUTE, 50) == 0 * MINUTE


def test_what_a_plan_cannot_hold_is_cut_to_the_newest_and_said() -> None:
    found = plan(9000, 5)
    assert found.limit is Limit.PLAN
    assert found.pages == 46  # 96.5 % of the 240 tokens that the looks at the newest page leave
    assert found.kept == 46 * 150
    assert found.needed > 300


def test_keepa_shows_ten_thousand_deals_of_a_query_and_no_more() -> None:
    found = plan(50_000, 250)
    assert (found.matching, found.kept, found.pages, found.limit) == (50_000, 10_000, 67, Limit.KEEPA)


def test_with_the_balance_unknown_everything_is_tried() -> None:
    assert plan(9000, None) == Plan(9000, 9000, 60, plan(9000, None).needed, None, MINUTE)


def test_where_much_is_new_looks_take_more_pages_and_the_sweep_must_follow_what_drifts_down() -> None:
    found = plan(9000, 5, arriving=2400)  # 200 in each of twelve looks: two pages
    assert found.pages == 34 - 16  # 96.5 % of the 180 tokens that they leave; 16 pages of new deals


def test_a_table_that_was_empty_learns_from_the_newest_page_what_comes_and_goes() -> None:
    assert budget.at_first(9000, 150, 30 * MINUTE, HOUR) == Feed(9000, 300, 300, HOUR)
    assert budget.at_first(400, 150, timedelta(0), HOUR) == Feed(400, 400, 400, HOUR)
    assert budget.at_first(90_000, 150, timedelta(seconds=1), HOUR).arriving == 10_000


@given(st.integers(0, 60_000), st.integers(1, 300), st.integers(0, 2000), st.integers(0, 2000))
def test_no_plan_promises_more_than_comes_in(matching: int, rate: int, leaving: int, arriving: int) -> None:
    found = plan(matching, rate, leaving=leaving, arriving=arriving)
    heads = Feed(matching, arriving, leaving, HOUR).look_tokens(found.head_every)
    assert found.kept <= max(150, min(matching, 10_000))
    assert MINUTE <= found.head_every <= 5 * MINUTE
    if found.kept > 150:
        assert budget.sweep_tokens(found.pages) + heads <= 60 * rate + 5
    if found.limit is Limit.PLAN:
        assert found.needed > 60 * rate


def test_the_earliest_deadline_goes_first_and_suspects_go_last() -> None:
    early, late = NOON, NOON + MINUTE
    assert next_step(early, late, suspects=True) is Step.SWEEP
    assert next_step(late, early, suspects=True) is Step.VERIFY_MISSED
    assert next_step(None, late, suspects=True) is Step.VERIFY_MISSED
    assert next_step(None, None, suspects=True) is Step.VERIFY_SUSPECTS
    assert next_step(None, None, suspects=False) is None


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=70),
    st.integers(0, 120),
)
def test_pages_read_one_by_one_from_their_latest_start_are_all_in_time(ages: list[int], seconds: int) -> None:
    """Whoever begins then, and reads a page each ``page_every``, reads each before its time."""
    page_every = timedelta(seconds=seconds)
    seen = [NOON - age * MINUTE for age in ages]
    start = budget.latest_start(Sweep(NOON, 1, 1 + len(seen)), HOUR, seen, page_every)
    for number, last in enumerate(seen):
        assert start + (number + 1) * page_every <= last + HOUR - budget.lead(HOUR)


def test_pages_that_the_next_sweep_begins_with_are_waited_for_by_this_ones_last_pages() -> None:
    """The backfiller has just read all pages at once: eight are left, then come the first two again."""
    sweep = Sweep(NOON, 2, 10)
    alone = budget.latest_start(sweep, HOUR, [NOON] * 8, MINUTE)
    assert alone == NOON + HOUR - budget.lead(HOUR) - 8 * MINUTE
    both = budget.latest_start(sweep, HOUR, [NOON] * 8, MINUTE, [NOON] * 2)
    assert both == alone - 2 * MINUTE
    unread = budget.latest_start(sweep, HOUR, [], MINUTE, [NOON - 55 * MINUTE])  # eight pages come before it
    assert unread == NOON + 5 * MINUTE - budget.lead(HOUR) - 9 * MINUTE


def test_only_what_comes_before_the_next_page_is_spent_on_reasons() -> None:
    assert budget.spare_tokens(10 * MINUTE, MINUTE) == 50
    assert budget.spare_tokens(MINUTE / 2, MINUTE) == 2
    assert budget.spare_tokens(-MINUTE, MINUTE) == 0
    assert budget.spare_tokens(-MINUTE, 0 * MINUTE) > 100  # nobody knows what comes: as much as is asked


def test_a_sweep_that_began_in_the_future_or_long_ago_is_given_up() -> None:
    assert budget.is_lost(Sweep(NOON, 1, 3), NOON - HOUR, HOUR)
    assert budget.is_lost(Sweep(NOON, 1, 3), NOON + 3 * HOUR, HOUR)
    assert not budget.is_lost(Sweep(NOON, 1, 3), NOON + HOUR, HOUR)


moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
maybe = st.none() | moments
SELECTION = {"priceTypes": [1]}


@given(
    st.builds(
        Memory,
        selection=st.just(fingerprint(SELECTION)),
        selected_at=moments,
        head_at=maybe,
        overlapped_at=maybe,
        doubted_at=maybe,
        sweep=st.none()
        | st.builds(Sweep, moments, st.integers(0, 67), st.integers(1, 67), st.booleans(), maybe),
        plan=st.none() | st.just(plan(9000, 5)) | st.just(plan(450, None)),
        reference=st.integers(0, 10_000),
        floor=maybe,
        swept_since=maybe,
        horizon=maybe,
        catch_up=st.none() | st.builds(CatchUp, moments, moments),
    )
)
def test_what_is_remembered_comes_back_the_same(memory: Memory) -> None:
    assert recall(memory.to_json(), SELECTION, NOON) == memory


@pytest.mark.parametrize(
    "broken", [{"sweep": {"x": 1}}, {"plan": {"kept": 1}}, {"selected_at": "?"}, {"floor": 7}]
)
def test_a_memory_that_cannot_be_read_begins_anew_instead_of_failing_for_ever(
    broken: dict[str, object],
) -> None:
    found = recall({**Memory(fingerprint(SELECTION), NOON).to_json(), **broken}, SELECTION, NOON)
    assert found.sweep is None
    assert found.selected_at < NOON
