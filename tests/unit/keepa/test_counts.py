"""How many deals match a selection, by the counts of recorded pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.keepa.counts import counted_matches
from tests.support.paths import SAMPLES

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the recorded Keepa answers are not beside this checkout"
)

BOOKS, MUSIC, TOYS, SOME_SUB_CATEGORY = 283155, 5174, 165793011, 12059
COUNTS = {BOOKS: 700, MUSIC: 90, TOYS: 10}


def recorded_counts(name: str) -> dict[int, int]:
    deals = json.loads((SAMPLES / name).read_text())["deals"]
    return dict(zip(deals["categoryIds"], deals["categoryCount"], strict=True))


def filtered(**filters: Any) -> Mapping[str, Any]:
    return {"isFilterEnabled": True, **filters}


@needs_samples
class TestRecordedPages:
    SELECTION = "deal_selection_of_the_sweeps.json"

    @pytest.mark.parametrize(
        ("page", "books", "everything"),
        [
            ("deal_page_2025-09.json", 779, 2919),
            ("deal_page_last_short.json", 769, 2930),
            ("deal_page_after_the_last.json", 778, 2920),
        ],
    )
    def test_the_included_root_tells_what_matches_where_the_sum_tells_almost_four_times_as_much(
        self, page: str, books: int, everything: int
    ) -> None:
        counts = recorded_counts(page)
        selection = json.loads((SAMPLES / self.SELECTION).read_text())
        assert counted_matches(counts, selection) == books
        assert counted_matches(counts, {**selection, "includeCategories": []}) == everything


@pytest.mark.parametrize("unfiltered", [{}, {"includeCategories": []}, {"excludeCategories": None}])
def test_without_a_filter_by_category_all_counts_count(unfiltered: dict[str, Any]) -> None:
    assert counted_matches(COUNTS, filtered(**unfiltered)) == 800
    assert counted_matches(COUNTS, unfiltered) == 800


def test_included_roots_count_alone() -> None:
    assert counted_matches(COUNTS, filtered(includeCategories=[BOOKS, TOYS])) == 710


def test_excluded_roots_do_not_count() -> None:
    assert counted_matches(COUNTS, filtered(excludeCategories=[MUSIC])) == 710


def test_a_root_that_is_included_and_excluded_does_not_count() -> None:
    both = filtered(includeCategories=[BOOKS, MUSIC], excludeCategories=[MUSIC])
    assert counted_matches(COUNTS, both) == 700


@pytest.mark.parametrize("name", ["includeCategories", "excludeCategories"])
@pytest.mark.parametrize("others", [[], [BOOKS]])
def test_a_category_that_is_no_counted_root_leaves_the_total_unknown(name: str, others: list[int]) -> None:
    assert counted_matches(COUNTS, filtered(**{name: [*others, SOME_SUB_CATEGORY]})) is None


def test_category_filters_that_may_be_switched_off_leave_the_total_unknown() -> None:
    assert counted_matches(COUNTS, {"isFilterEnabled": False, "includeCategories": [BOOKS]}) is None
    assert counted_matches(COUNTS, {"excludeCategories": [MUSIC]}) is None


def test_category_filters_that_change_nothing_count_whether_switched_on_or_off() -> None:
    assert counted_matches(COUNTS, {"isFilterEnabled": False, "includeCategories": list(COUNTS)}) == 800


def test_a_page_past_the_end_of_nothing_has_nothing() -> None:
    assert counted_matches({}, filtered()) == 0


@given(
    st.dictionaries(st.integers(1, 9), st.integers(0, 10_000)),
    st.lists(st.integers(1, 9)),
    st.lists(st.integers(1, 9)),
    st.booleans(),
)
def test_the_total_is_never_more_than_the_counts(
    counts: dict[int, int], included: list[int], excluded: list[int], enabled: bool
) -> None:
    selection = {
        "isFilterEnabled": enabled,
        "includeCategories": included,
        "excludeCategories": excluded,
    }
    found = counted_matches(counts, selection)
    assert found is None or 0 <= found <= sum(counts.values())
