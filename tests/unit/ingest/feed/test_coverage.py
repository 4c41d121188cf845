"""What a page of the feed tells: of deals that it does not show, of the feed's length, of its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.feed.coverage import Coverage, PageRead, page_read
from keepa_deals.keepa.deal import Deal, DealPage
from keepa_deals.keepa.envelope import TokenEnvelope
from tests.support.paths import SAMPLES
from tests.support.world import START, make_deal

ENVELOPE = TokenEnvelope(0, 1, 1, 1, 0.0, 5, 1)
EVERYTHING: Mapping[str, Any] = {}


def feed(ages: list[int]) -> list[Deal]:
    """Deals so many minutes old, newest first."""
    return [
        make_deal(f"B{number:09d}", created=START - timedelta(minutes=age))
        for number, age in enumerate(sorted(ages))
    ]


def page_of(deals: list[Deal], number: int) -> DealPage:
    shown = tuple(deals[number * 150 : number * 150 + 150])
    return DealPage(shown, {}, {1: len(deals)}, ENVELOPE)


def read(feed: list[Deal], number: int, **changes: Any) -> PageRead:
    return page_read(replace(page_of(feed, number), **changes), number, EVERYTHING)


def test_the_first_page_has_no_upper_bound_and_the_last_no_lower_one() -> None:
    deals = feed(list(range(400)))
    assert read(deals, 0).coverage(400) == Coverage(None, deals[149].creation_date)
    middle = Coverage(deals[150].creation_date, deals[299].creation_date)
    assert read(deals, 1).coverage(400) == middle
    assert read(deals, 2).coverage(400) == Coverage(deals[300].creation_date, None)


def test_the_last_page_that_keepa_shows_of_a_longer_feed_proves_nothing_of_what_follows() -> None:
    deals = feed(list(range(100)))
    short = replace(page_of(deals, 0), category_counts={1: 50_000})
    seen = page_read(short, 66, EVERYTHING)
    coverage = seen.coverage(50_000)
    assert coverage is not None
    assert coverage.oldest == deals[-1].creation_date
    assert seen.shows_no_more


def test_a_feed_of_less_than_half_a_page_out_of_order_and_nothing_prove_nothing() -> None:
    deals = feed(list(range(100)))
    assert read(deals, 0).coverage(201) is None
    assert read(deals[::-1], 0).coverage(100) is None
    assert not read(deals[::-1], 0).is_newest_first
    assert read([], 0).coverage(100) is None
    assert read(deals, 3).coverage(100) is None


def test_an_answer_from_keepas_cache_proves_nothing() -> None:
    seen = read(feed(list(range(100))), 0, deals_cached=True)
    assert seen.coverage(100) is None
    assert not seen.is_whole(100)


def test_a_page_shorter_than_its_counts_say_proves_nothing() -> None:
    deals = feed(list(range(1000)))
    in_part = read(deals, 2, deals=page_of(deals, 2).deals[:149])
    assert read(deals, 2).coverage(1000) is not None
    assert in_part.coverage(1000) is None
    assert not in_part.ends


def test_an_entry_that_nobody_can_read_costs_the_proof_only_if_it_has_no_name() -> None:
    deals = feed(list(range(1000)))
    named = read(deals, 2, unreadable=1, unreadable_asins=("B000000001",)).coverage(1000)
    assert named is not None
    assert named.left_out == {"B000000001"}
    assert read(deals, 2, unreadable=1).coverage(1000) is None


def test_an_empty_page_ends_the_feed_whatever_its_counts_say() -> None:
    assert read([], 3, category_counts={1: 5000}).ends


def test_a_short_page_ends_a_feed_whose_counts_do_not_tell_and_tells_how_long_it_is() -> None:
    """Counts ignore filters by category, and a sub-category is not among them."""
    by_category = {"includeCategories": [4711], "isFilterEnabled": True}
    counts = {283155: 700, 1000: 2200}
    deals = feed(list(range(320)))
    full = page_read(replace(page_of(deals, 1), category_counts=counts), 1, by_category)
    last = page_read(replace(page_of(deals, 2), category_counts=counts), 2, by_category)
    assert (full.total, full.ends) == (None, False)
    assert (last.total, last.ends, last.is_in_part) == (320, True, False)
    coverage = last.coverage(320)
    assert coverage is not None
    assert coverage.oldest is None


def recorded(name: str) -> tuple[DealPage, int, Mapping[str, Any]]:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"recorded answers are not here: {path}")
    answer = json.loads(path.read_text(encoding="utf-8"))
    selection = json.loads((SAMPLES / "deal_selection_of_the_sweeps.json").read_text(encoding="utf-8"))
    body = answer.get("answer", answer)
    number = answer["source"]["page_asked"] if "source" in answer else 5
    ids, counts = body["deals"]["categoryIds"], body["deals"]["categoryCount"]
    deals = tuple(Deal.from_json(raw) for raw in body["deals"]["dr"])
    page = DealPage(deals, {}, dict(zip(ids, counts, strict=True)), TokenEnvelope.from_json(body))
    return page, number, selection


def test_the_recorded_last_page_ends_its_feed() -> None:
    """Its counts sum to four times as many deals as match."""
    page, number, selection = recorded("deal_page_last_short.json")
    seen = page_read(page, number, selection)
    assert sum(page.category_counts.values()) > 2900
    assert seen.ends
    assert not seen.is_in_part
    assert seen.total is not None
    assert 724 <= seen.total <= 792


def test_the_recorded_page_after_the_last_ends_its_feed_too() -> None:
    page, number, selection = recorded("deal_page_after_the_last.json")
    seen = page_read(page, number, selection)
    assert page.size == 0
    assert seen.ends
    assert seen.total == 778


@given(st.lists(st.integers(0, 300), max_size=500), st.integers(0, 3))
def test_a_deal_that_the_feed_has_is_never_suspected(ages: list[int], number: int) -> None:
    """However many deals share a creation date, on whichever page."""
    deals = feed(ages)
    page = read(deals, number)
    coverage = page.coverage(len(deals))
    if coverage is None:
        return
    shown = {deal.asin for deal in page.page.deals}
    for deal in deals:
        above = coverage.newest is None or deal.creation_date < coverage.newest
        below = coverage.oldest is None or deal.creation_date > coverage.oldest
        assert deal.asin in shown or not (above and below)
