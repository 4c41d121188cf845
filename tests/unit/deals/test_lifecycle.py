"""The lifecycle by examples at its boundaries, and by properties over any sequence of observations."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.deals import lifecycle
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.deals.lifecycle import Change, Life, Status

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_deal_is_live_up_to_the_edge_of_the_window() -> None:
    life = Life(NOON, NOON, NOON)
    assert lifecycle.status(life, NOON + HOUR, HOUR) is Status.LIVE
    assert lifecycle.status(life, NOON + HOUR + timedelta(microseconds=1), HOUR) is Status.STALE


def test_an_ended_deal_that_is_seen_again_is_the_same_deal() -> None:
    ended, _ = lifecycle.end(Life(NOON, NOON, NOON), EndedReason.OUT_OF_STOCK, NOON + HOUR / 2, HOUR)
    later = NOON + 2 * HOUR
    again, changes = lifecycle.seen(ended, later, HOUR)
    assert (again.first_seen_at, again.found_at, again.ended_at) == (NOON, later, None)
    assert changes == (Change(DealEventKind.RETURNED, later),)


def test_an_ended_deal_that_was_there_a_moment_ago_is_no_news() -> None:
    ended, _ = lifecycle.end(Life(NOON, NOON, NOON), EndedReason.PRICE_RECOVERED, NOON, HOUR)
    again, changes = lifecycle.seen(ended, NOON + HOUR, HOUR)
    assert (again.found_at, again.ended_at) == (NOON, None)
    assert changes == (Change(DealEventKind.LIVE_AGAIN, NOON + HOUR),)


def test_the_word_of_product_carries_a_deal_only_so_far() -> None:
    """The feed knows conditions that ``/product`` does not show."""
    life = Life(NOON, NOON, NOON)
    carried, _ = lifecycle.confirmed(life, NOON + HOUR * 0.9, NOON + HOUR, HOUR)
    assert carried.last_seen_at == NOON + HOUR * 0.9
    again, _ = lifecycle.confirmed(carried, NOON + HOUR * 1.8, NOON + HOUR, HOUR)
    assert again.last_seen_at == NOON + HOUR
    assert lifecycle.confirmed(again, NOON + HOUR * 2.1, NOON + HOUR, HOUR) == (again, ())


def test_the_word_of_product_does_not_bring_back_what_has_ended() -> None:
    ended, _ = lifecycle.end(Life(NOON, NOON, NOON), EndedReason.OUT_OF_STOCK, NOON, HOUR)
    assert lifecycle.confirmed(ended, NOON + HOUR, NOON + 2 * HOUR, HOUR) == (ended, ())


def test_an_observation_of_before_the_end_does_not_bring_it_back() -> None:
    ended, _ = lifecycle.end(
        Life(NOON, NOON, NOON), EndedReason.OUT_OF_STOCK, NOON + timedelta(minutes=2), HOUR
    )
    assert lifecycle.seen(ended, NOON + timedelta(minutes=1), HOUR) == (ended, ())


def test_a_last_sight_from_the_future_is_repaired() -> None:
    wrong = Life(NOON, NOON + timedelta(days=400), NOON)
    assert lifecycle.seen(wrong, NOON + HOUR, HOUR)[0].last_seen_at == NOON + HOUR


observations = st.lists(
    st.tuples(st.sampled_from(["seen", "aged", "ended"]), st.integers(1, 180)), min_size=1, max_size=40
)
"""What happened, and how many minutes after the last thing: of two at one instant, an end is the later."""


@given(observations)
def test_every_change_of_state_is_told_once_and_they_fit_together(steps: list[tuple[str, int]]) -> None:
    now, life, events = NOON, None, []
    for what, minutes in steps:
        now += timedelta(minutes=minutes)
        if what == "seen" or life is None:
            life, changes = lifecycle.seen(life, now, HOUR)
        elif what == "aged":
            life, changes = lifecycle.mark_stale(life, now, HOUR)
        else:
            life, changes = lifecycle.end(life, EndedReason.PRICE_RECOVERED, now, HOUR)
        events += [change.kind for change in changes]
        assert life.first_seen_at == NOON + timedelta(minutes=steps[0][1])
        assert life.first_seen_at <= life.last_seen_at <= now
    allowed = {
        DealEventKind.FOUND: {DealEventKind.STALE, DealEventKind.ENDED},
        DealEventKind.STALE: {DealEventKind.LIVE_AGAIN, DealEventKind.ENDED},
        DealEventKind.LIVE_AGAIN: {DealEventKind.STALE, DealEventKind.ENDED},
        DealEventKind.ENDED: {DealEventKind.RETURNED, DealEventKind.LIVE_AGAIN},
        DealEventKind.RETURNED: {DealEventKind.STALE, DealEventKind.ENDED},
    }
    assert events[0] is DealEventKind.FOUND
    assert all(after in allowed[before] for before, after in itertools.pairwise(events))


@given(observations)
def test_a_deal_leaves_the_live_list_only_by_an_end_or_by_time(steps: list[tuple[str, int]]) -> None:
    now = NOON
    life, _ = lifecycle.seen(None, now, HOUR)
    for what, minutes in steps:
        now += timedelta(minutes=minutes)
        if what == "ended":
            life, _ = lifecycle.end(life, EndedReason.PRODUCT_GONE, now, HOUR)
            assert lifecycle.status(life, now, HOUR) is Status.ENDED
        elif what == "seen":
            life, _ = lifecycle.seen(life, now, HOUR)
            assert lifecycle.status(life, now, HOUR) is Status.LIVE
