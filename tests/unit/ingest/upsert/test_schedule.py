"""What is read when: the rules by properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.upsert import schedule
from keepa_deals.ingest.upsert.budget import FeedSize, Plan, Supply, make_plan
from keepa_deals.ingest.upsert.schedule import Step, Sweep, next_step

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def plan(matching: int, rate: int | None) -> Plan:
    supply = Supply(rate, MINUTE, HOUR) if rate is not None else None
    return make_plan(FeedSize(matching, 0, 0, HOUR), MINUTE, supply)


def test_a_large_plan_does_not_count_on_what_bulk_may_take_before_a_page_asks_again() -> None:
    large = plan(50_000, 250)
    assert large.page_every < 2 * timedelta(seconds=1)
    assert schedule.page_pace(large, MINUTE, 50) == MINUTE / 10  # 50 tokens are ten pages
    assert schedule.page_pace(large, MINUTE, 0) == MINUTE  # only the page that waits is sure
    assert schedule.page_pace(plan(1500, 5), MINUTE, 50) == 1.25 * MINUTE  # a small plan's own pace is slower
    assert schedule.page_pace(plan(1500, 5), MINUTE, 50, questions=5) == 2.5 * MINUTE
    assert schedule.page_pace(large, MINUTE, 50, questions=5) == MINUTE / 10  # its tokens come faster anyway
    assert (
        schedule.page_pace(plan(450, None), MINUTE, 50) == schedule.page_pace(None, MINUTE, 50) == 0 * MINUTE
    )


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
    st.integers(0, 9),
)
def test_pages_read_one_by_one_from_their_latest_start_are_all_in_time(
    ages: list[int], seconds: int, at_hand: int
) -> None:
    """Whoever begins then, reads what is paid for at once, then a page each ``page_every``, is in time."""
    page_every = timedelta(seconds=seconds)
    seen = [NOON - age * MINUTE for age in ages]
    sweep = Sweep(NOON, 1, 1 + len(seen))
    start = schedule.latest_start(sweep, HOUR, seen, page_every, at_hand=at_hand)
    for number, last in enumerate(seen, start=1):
        read = start + max(0, number - at_hand) * page_every
        assert read <= last + HOUR - schedule.lead(HOUR)


def test_pages_whose_tokens_are_there_need_not_be_read_one_by_one() -> None:
    sweep = Sweep(NOON, 1, 5)
    alone = schedule.latest_start(sweep, HOUR, [NOON] * 4, 2 * MINUTE)
    paid = schedule.latest_start(sweep, HOUR, [NOON] * 4, 2 * MINUTE, at_hand=9)
    assert (alone, paid) == (paid - 8 * MINUTE, NOON + HOUR - schedule.lead(HOUR))


def test_the_tokens_at_hand_are_those_that_bulk_leaves_less_a_look() -> None:
    assert schedule.pages_at_hand(49, threshold=50) == 8
    assert schedule.pages_at_hand(300, threshold=50) == 9
    assert schedule.pages_at_hand(9, threshold=50) == schedule.pages_at_hand(-40, threshold=50) == 0
    assert schedule.pages_at_hand(300, threshold=0) == 0


def test_pages_that_the_next_sweep_begins_with_are_waited_for_by_this_ones_last_pages() -> None:
    """The backfiller has just read all pages at once: eight are left, then come the first two again."""
    sweep = Sweep(NOON, 2, 10)
    alone = schedule.latest_start(sweep, HOUR, [NOON] * 8, MINUTE)
    assert alone == NOON + HOUR - schedule.lead(HOUR) - 8 * MINUTE
    both = schedule.latest_start(sweep, HOUR, [NOON] * 8, MINUTE, [NOON] * 2)
    assert both == alone - 2 * MINUTE
    unread = schedule.latest_start(
        sweep, HOUR, [], MINUTE, [NOON - 55 * MINUTE]
    )  # eight pages come before it
    assert unread == NOON + 5 * MINUTE - schedule.lead(HOUR) - 9 * MINUTE


def test_only_what_comes_before_the_next_page_is_spent_on_reasons() -> None:
    assert schedule.spare_tokens(10 * MINUTE, MINUTE) == 50
    assert schedule.spare_tokens(MINUTE / 2, MINUTE) == 2
    assert schedule.spare_tokens(-MINUTE, MINUTE) == 0
    assert schedule.spare_tokens(-MINUTE, 0 * MINUTE) > 100  # nobody knows what comes: as much as is asked


def test_a_sweep_that_began_in_the_future_or_long_ago_is_given_up() -> None:
    assert schedule.is_lost(Sweep(NOON, 1, 3), NOON - HOUR, HOUR)
    assert schedule.is_lost(Sweep(NOON, 1, 3), NOON + 3 * HOUR, HOUR)
    assert not schedule.is_lost(Sweep(NOON, 1, 3), NOON + HOUR, HOUR)
