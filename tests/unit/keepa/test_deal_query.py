"""A deal query as people have it becomes the documented one, or is refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.errors import SettingsError
from keepa_deals.keepa.deal_query import (
    CATEGORIES,
    FLAGS,
    MAX_INT,
    RANGES,
    READERS,
    SWITCHES,
    TEXTS,
    normalise,
    quoted,
    unknown_options,
)


def query(**options: Any) -> dict[str, Any]:
    return {"priceTypes": [1], "dateRange": 3, **options}


def refusal(**options: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        normalise(query(**options))
    text = str(caught.value)
    assert "\n" not in text
    return text


class TestNumbers:
    @pytest.mark.parametrize(
        ("name", "text", "number"),
        [
            ("page", "0", 0),
            ("domainId", "9", 9),
            ("priceTypes", ["2"], [2]),
            ("priceTypes", 2, [2]),
            ("priceTypes", "2", [2]),
            ("dateRange", "0", 0),
            ("sortType", "-4", -4),
            ("minRating", "-1", -1),
            ("includeCategories", ["283155"], [283155]),
            ("currentRange", ["2000", "30100"], [2000, 30100]),
            ("warehouseConditions", ["2", 3], [2, 3]),
            ("isLowest", "true", True),
            ("hasReviews", "False", False),
        ],
    )
    def test_that_come_as_text_are_sent_as_numbers(self, name: str, text: object, number: object) -> None:
        assert normalise(query(**{name: text}))[name] == number
        assert type(normalise(query(**{name: text}))[name]) is type(number)

    @pytest.mark.parametrize("name", TEXTS)
    def test_in_text_filters_stay_text(self, name: str) -> None:
        assert normalise(query(**{name: ["10", 11, 1.5]}))[name] == ["10", "11", "1.5"]
        assert normalise(query(**{name: "10"}))[name] == ["10"]

    def test_in_the_title_stay_text(self) -> None:
        assert normalise(query(titleSearch="1984"))["titleSearch"] == "1984"
        assert normalise(query(titleSearch=1984))["titleSearch"] == "1984"


class TestRanges:
    @pytest.mark.parametrize("name", RANGES)
    def test_without_bounds_are_left_out(self, name: str) -> None:
        assert name not in normalise(query(**{name: [-1, -1]}))
        assert name not in normalise(query(**{name: ["-1", "-1"]}))

    def test_with_an_open_upper_end_get_the_number_that_keepa_writes_for_it(self) -> None:
        assert normalise(query(salesRankRange=[5000, -1]))["salesRankRange"] == [5000, MAX_INT]
        assert normalise(query(deltaRange=[100, -1]))["deltaRange"] == [100, MAX_INT]

    @pytest.mark.parametrize(
        ("name", "least"), [("currentRange", 0), ("salesRankRange", 0), ("deltaPercentRange", 10)]
    )
    def test_with_an_open_lower_end_begin_at_the_lowest_value(self, name: str, least: int) -> None:
        assert normalise(query(**{name: [-1, 90]}))[name] == [least, 90]

    def test_of_risen_prices_keep_their_negative_ends(self) -> None:
        assert normalise(query(deltaRange=[-500, -1]))["deltaRange"] == [-500, -1]


def test_unknown_options_are_left_out_and_named() -> None:
    raw = query(hasAmazonOffer=True, settings={"viewTyp": 0})
    assert normalise(raw) == {**query(), "page": 0}
    assert unknown_options(raw) == ["hasAmazonOffer", "settings"]


def test_options_that_are_null_are_left_out() -> None:
    assert normalise(query(deltaLastRange=None, titleSearch=None)) == {**query(), "page": 0}


def test_the_pages_are_read_from_the_first_on_whatever_the_file_says() -> None:
    assert normalise(query(page="7"))["page"] == 0


def test_a_missing_date_range_is_written_down() -> None:
    assert normalise({"priceTypes": [1]})["dateRange"] == 3


def test_the_categories_of_the_deals_pages_own_address_are_taken() -> None:
    nested = [[], [599382031], [], ["9482640011"]]
    assert normalise(query(includeCategories=nested))["includeCategories"] == [599382031, 9482640011]


def test_every_documented_option_is_known() -> None:
    documented = (*SWITCHES, *FLAGS, *RANGES, *CATEGORIES, *TEXTS, "page", "domainId", "priceTypes")
    documented += ("dateRange", "sortType", "minRating", "titleSearch", "warehouseConditions")
    assert sorted(documented) == sorted(READERS)


@pytest.mark.parametrize("kind", [0, 1, 2, 5, 6, 7, 8, 9, 10, 18, 19, 20, 21, 22, 32, 33])
def test_every_documented_price_type_but_the_rank_is_taken(kind: int) -> None:
    assert normalise(query(priceTypes=[kind]))["priceTypes"] == [kind]


def test_the_sales_rank_is_refused_with_the_reason() -> None:
    text = refusal(priceTypes=[3])
    assert text.startswith("priceTypes is [3]: must be a list of exactly one of 0, 1, 2, 5, 6")
    assert "the sales rank, has no price" in text


@pytest.mark.parametrize(
    ("name", "value", "shown", "allowed"),
    [
        ("priceTypes", None, "missing", "exactly one of 0, 1, 2, 5"),
        ("priceTypes", [], "[]", "exactly one of"),
        ("priceTypes", [0, 1], "[0, 1]", "exactly one of"),
        ("priceTypes", [4], "[4]", "exactly one of"),
        ("priceTypes", [True], "[True]", "exactly one of"),
        ("page", -1, "-1", "a page from 0 to 66"),
        ("page", 67, "67", "a page from 0 to 66"),
        ("domainId", 7, "7", "one of 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12"),
        ("domainId", "es", "'es'", "one of 1, 2"),
        ("dateRange", 4, "4", "0 (day), 1 (week), 2 (month) or 3 (90 days)"),
        ("dateRange", 1.0, "1.0", "0 (day)"),
        ("sortType", 0, "0", "1 (newest first)"),
        ("sortType", -1, "-1", "1 (newest first)"),
        ("minRating", 51, "51", "a rating from 0 to 50"),
        ("minRating", -2, "-2", "a rating from 0 to 50"),
        ("isLowest", 1, "1", "true or false"),
        ("isFilterEnabled", "yes", "'yes'", "true or false"),
        ("includeCategories", 283155, "283155", "a list of at most 500 category ids"),
        ("includeCategories", ["books"], "['books']", "whole numbers"),
        ("excludeCategories", [[[1]]], "[[[1]]]", "whole numbers"),
        ("excludeCategories", list(range(501)), "a list of 501", "at most 500"),
        ("currentRange", [1], "[1]", "[min, max] of whole numbers, not below 0"),
        ("currentRange", [300, 200], "[300, 200]", "min not above max"),
        ("currentRange", [-5, 200], "[-5, 200]", "not below 0"),
        ("currentRange", [0, 2**31], "[0, 2147483648]", "[min, max]"),
        ("currentRange", [1.5, 2], "[1.5, 2]", "whole numbers"),
        ("deltaPercentRange", [9, 50], "[9, 50]", "not below 10"),
        ("salesRankRange", {"min": 1}, "{'min': 1}", "[min, max]"),
        ("titleSearch", ["a"], "['a']", "a text of at most 50 words"),
        ("titleSearch", "a " * 51, "'a a a", "a text of at most 50 words"),
        ("brand", [True], "[True]", "a list of texts"),
        ("brand", {"a": 1}, "{'a': 1}", "a list of texts"),
        ("warehouseConditions", [6], "[6]", "a list of some of 1, 2, 3, 4, 5, 24"),
    ],
)
def test_a_refusal_names_the_option_its_value_and_what_is_allowed(
    name: str, value: object, shown: str, allowed: str
) -> None:
    text = refusal(**{name: value})
    assert text.startswith(f"{name} is {shown}"), text
    assert allowed in text.partition(": must be ")[2], text


@pytest.mark.parametrize("raw", [None, [], "text", 5])
def test_what_is_no_object_is_refused(raw: object) -> None:
    with pytest.raises(SettingsError, match="must be a JSON object"):
        normalise(raw)


def test_a_key_that_got_into_a_query_is_not_repeated() -> None:
    key = "a1" * 32
    assert key not in refusal(domainId=key)
    assert key not in refusal(brand=[{"key": key}])
    assert "a1a1" not in refusal(domainId=key)


def test_a_value_is_quoted_in_one_short_line() -> None:
    assert len(quoted({"a" * 30: ["b" * 30] * 30})) <= 60
    assert quoted("a\nb\ud800") == r"'a\nb\ud800'"


NUMBERS = st.integers() | st.integers().map(str)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PLAUSIBLE = (
    st.lists(st.integers(-1, 60) | st.integers(-1, 60).map(str), max_size=3)
    | st.integers(-4, 60)
    | st.booleans()
)
NAMES = st.sampled_from(sorted(READERS)) | st.text(max_size=5)
PRICE_TYPE = st.sampled_from([[0], ["1"], 2, "18"])


@given(VALUES | st.dictionaries(NAMES, VALUES | PLAUSIBLE))
def test_whatever_the_file_holds_it_is_taken_or_refused(raw: object) -> None:
    try:
        said = str(normalise(raw)["priceTypes"])
    except SettingsError as error:
        said = str(error)
    assert said.startswith("[") or "must be" in said
    assert "\n" not in said


@given(st.dictionaries(NAMES, VALUES | PLAUSIBLE), PRICE_TYPE)
def test_a_query_that_was_normalised_is_not_changed_again(raw: dict[str, Any], kind: object) -> None:
    usable: dict[str, Any] = {"priceTypes": kind}
    for name, value in raw.items():
        try:
            usable = normalise({**usable, name: value})
        except SettingsError:
            continue
    once = normalise(usable)
    assert normalise(once) == once
    assert json.loads(json.dumps(once)) == once
    assert unknown_options(once) == []
