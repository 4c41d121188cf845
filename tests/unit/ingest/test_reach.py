"""What a page of the feed proves about the deals that it does not show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.reach import Reach, is_last_page, reach_of
from keepa_deals.keepa.types import Deal, DealPage, TokenEnvelope
from tests.unit.ingest.fakes import START, make_deal

ENVELOPE = TokenEnvelope(0, 1, 1, 1, 0.0, 5, 1)


def feed(ages: list[int]) -> list[Deal]:
    """Deals so many minutes old, newest first."""
    return [
        make_deal(f"B{number:09d}", created=START - timedelta(minutes=age))
        for number, age in enumerate(sorted(ages))
    ]


def page_of(deals: list[Deal], number: int) -> DealPage:
    shown = tuple(deals[number * 150 : number * 150 + 150])
    return DealPage(shown, {}, {1: len(deals)}, ENVELOPE)


def test_the_first_page_has_no_upper_bound_and_the_last_no_lower_one() -> None:
    deals = feed(list(range(400)))
    assert reach_of(page_of(deals, 0), 0, reference=400) == Reach(None, deals[149].creation_date)
    middle = Reach(deals[150].creation_date, deals[299].creation_date)
    assert reach_of(page_of(deals, 1), 1, reference=400) == middle
    assert reach_of(page_of(deals, 2), 2, reference=400) == Reach(deals[300].creation_date, None)


def test_the_last_page_that_keepa_shows_of_a_longer_feed_proves_nothing_of_what_follows() -> None:
    short = page_of(feed(list(range(100))), 0)
    found = reach_of(replace(short, category_counts={1: 50_000}), 66, reference=50_000)
    assert found is not None
    assert found.oldest == short.deals[-1].creation_date


def test_a_feed_of_less_than_half_a_page_out_of_order_and_nothing_prove_nothing() -> None:
    deals = feed(list(range(100)))
    assert reach_of(page_of(deals, 0), 0, reference=201) is None
    assert reach_of(page_of(deals[::-1], 0), 0, reference=100) is None
    assert reach_of(page_of([], 0), 0, reference=100) is None
    assert reach_of(page_of(deals, 3), 3, reference=100) is None


def test_a_page_shorter_than_its_counts_say_or_with_an_entry_nobody_can_read_proves_nothing() -> None:
    page = page_of(feed(list(range(1000))), 2)
    in_part = replace(page, deals=page.deals[:149])
    assert reach_of(page, 2, reference=1000) is not None
    assert reach_of(in_part, 2, reference=1000) is None
    assert not is_last_page(in_part, 2)
    assert reach_of(replace(page, unreadable=1), 2, reference=1000) is None


def test_an_empty_page_ends_the_feed_whatever_its_counts_say() -> None:
    assert is_last_page(replace(page_of([], 3), category_counts={1: 5000}), 3)


@given(st.lists(st.integers(0, 300), max_size=500), st.integers(0, 3))
def test_a_deal_that_the_feed_has_is_never_proven_gone(ages: list[int], number: int) -> None:
    """However many deals share a creation date, on whichever page."""
    deals = feed(ages)
    page = page_of(deals, number)
    reach = reach_of(page, number, reference=len(deals))
    if reach is None:
        return
    shown = {deal.asin for deal in page.deals}
    for deal in deals:
        above = reach.newest is None or deal.creation_date < reach.newest
        below = reach.oldest is None or deal.creation_date > reach.oldest
        assert deal.asin in shown or not (above and below)
