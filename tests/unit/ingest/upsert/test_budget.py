"""What a window is spent on: the plan by figures worked out by hand, and by properties."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.upsert import budget
from keepa_deals.ingest.upsert.budget import FeedSize, Limit, Plan, Supply, make_plan

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def plan(matching: int, rate: int | None, *, leaving: int = 0, arriving: int = 0) -> Plan:
    supply = Supply(rate, MINUTE, HOUR) if rate is not None else None
    return make_plan(FeedSize(matching, arriving, leaving, HOUR), MINUTE, supply)


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
    needed = plan(9000, None).needed
    assert plan(9000, None) == Plan(9000, 9000, 60, needed, None, MINUTE, planned=needed)


def test_where_much_is_new_looks_take_more_pages_and_the_sweep_must_follow_what_drifts_down() -> None:
    found = plan(9000, 5, arriving=2400)  # 200 in each of twelve looks: two pages
    assert found.pages == 34 - 16  # 96.5 % of the 180 tokens that they leave; 16 pages of new deals


def test_a_table_that_was_empty_learns_from_the_newest_page_what_comes_and_goes() -> None:
    assert budget.at_first(9000, 150, 30 * MINUTE, HOUR) == FeedSize(9000, 300, 270, HOUR)
    assert budget.at_first(9000, 150, 60 * MINUTE, HOUR).leaving == 150  # no more than come
    assert budget.at_first(400, 150, timedelta(0), HOUR) == FeedSize(400, 400, 12, HOUR)
    assert budget.at_first(90_000, 150, timedelta(seconds=1), HOUR).arriving == 10_000


@given(st.integers(0, 60_000), st.integers(1, 300), st.integers(0, 2000), st.integers(0, 2000))
def test_no_plan_promises_more_than_comes_in(matching: int, rate: int, leaving: int, arriving: int) -> None:
    found = plan(matching, rate, leaving=leaving, arriving=arriving)
    heads = FeedSize(matching, arriving, leaving, HOUR).look_tokens(found.head_every)
    assert found.kept <= max(150, min(matching, 10_000))
    assert MINUTE <= found.head_every <= 5 * MINUTE
    if found.kept > 150:
        assert budget.sweep_tokens(found.pages) + heads <= 60 * rate + 5
    if found.limit is Limit.PLAN:
        assert found.needed > 60 * rate


@given(st.integers(0, 20_000), st.integers(1, 300), st.floats(0.01, 1))
def test_a_part_of_the_tokens_makes_a_plan_that_stays_within_it(
    matching: int, rate: int, share: float
) -> None:
    feed = FeedSize(matching, matching // 30, matching // 40, HOUR)
    supply = Supply(rate, MINUTE, HOUR, share)
    found = budget.make_plan(feed, MINUTE, supply)
    assert found.share == share
    assert found.planned <= max(supply.tokens, found.needed)
    if supply.tokens >= 60:
        looks = FeedSize(matching, 0, 0, HOUR).look_tokens(found.head_every)
        assert looks <= supply.tokens
