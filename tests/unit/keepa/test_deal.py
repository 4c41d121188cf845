"""A deal of the feed: its values, and what is no value of one."""

from __future__ import annotations

import pytest

from keepa_deals.keepa.deal import Deal
from keepa_deals.keepa.enums import CsvType, Interval
from keepa_deals.keepa.time import from_keepa_minutes

STRANGE = [10**30, -(10**30), 2**31, float("inf"), float("nan"), True, "7", [1], {"a": 1}, 1.5, None]


def raw_deal(**changes: object) -> dict:
    empty = [-1] * 36
    return {
        "asin": "B000000001",
        "title": "A <b>bold</b> &amp; <i>cheap</i>\n thing",
        "rootCat": 283155,
        "image": [ord(c) for c in "71abcDEF.jpg"],
        "creationDate": 8_000_000,
        "lastUpdate": 8_000_010,
        "current": [-1, 1999, -2, *empty[3:]],
        "currentSince": [0, 7_999_999, *([0] * 34)],
        "avg": [empty, empty, empty, [-1, 2999, *empty[2:]]],
        "delta": [[0] * 36] * 4,
        "deltaPercent": [[0] * 36] * 4,
    } | changes


def test_a_deal_has_cents_none_for_no_offer_and_a_plain_title() -> None:
    deal = Deal.from_json(raw_deal())
    assert deal.title == "A bold & cheap thing"
    assert deal.image == "71abcDEF.jpg"
    assert deal.value(CsvType.NEW) == 1999
    assert deal.value(CsvType.AMAZON) is None
    assert deal.value(CsvType.USED) is None
    assert deal.average(CsvType.NEW, Interval.DAYS_90) == 2999
    assert deal.average(CsvType.AMAZON, Interval.DAYS_90) is None
    assert deal.creation_date == from_keepa_minutes(8_000_000)
    assert deal.current_since[CsvType.AMAZON] is None


def test_an_unknown_root_category_is_none() -> None:
    assert Deal.from_json(raw_deal(rootCat=9223372036854775807)).root_category is None


def test_a_deal_without_its_arrays_has_no_values() -> None:
    deal = Deal.from_json({"asin": "B000000001", "creationDate": 1, "lastUpdate": 1})
    assert deal.value(CsvType.NEW) is None
    assert deal.average(CsvType.NEW, Interval.DAY) is None


@pytest.mark.parametrize("missing", ["asin", "creationDate", "lastUpdate"])
def test_a_deal_without_its_identity_is_an_error(missing: str) -> None:
    raw = raw_deal()
    del raw[missing]
    with pytest.raises(KeyError, match=missing):
        Deal.from_json(raw)


@pytest.mark.parametrize(
    "asin", ["", "A" * 11, "A" * 9, "b000000001", "B00000000\x00", "B00000 001", "B00000000²", None, 7]
)
def test_what_is_no_asin_is_an_error_that_names_it(asin: object) -> None:
    with pytest.raises(ValueError, match="is no ASIN"):
        Deal.from_json(raw_deal() | {"asin": asin})


@pytest.mark.parametrize("strange", STRANGE, ids=repr)
def test_a_strange_optional_field_is_unknown_and_costs_nothing_else(strange: object) -> None:
    optional = ("rootCat", "image", "parentAsin", "avg", "delta")
    deal = Deal.from_json(raw_deal() | dict.fromkeys(optional, strange))
    assert deal.parent_asin is None
    assert deal.root_category in (None, 2**31)
    assert (any(deal.avg), any(deal.delta), deal.value(CsvType.NEW)) == (False, False, 1999)
    inside = Deal.from_json(raw_deal(current=[strange, 1999], currentSince=[strange], avg=[[strange, 2999]]))
    assert (inside.current, inside.current_since, inside.avg) == ((None, 1999), (None,), ((None, 2999),))


@pytest.mark.parametrize("field", ["creationDate", "lastUpdate"])
@pytest.mark.parametrize("strange", [*STRANGE, -1, 46_810_081], ids=repr)
def test_a_deal_of_an_impossible_time_is_an_error_that_names_it(field: str, strange: object) -> None:
    with pytest.raises(ValueError, match=f"{field} is "):
        Deal.from_json(raw_deal(**{field: strange}))


def test_a_change_from_an_unknown_average_is_unknown_and_not_zero() -> None:
    deal = Deal.from_json(
        raw_deal(
            current=[500, 1000, -1],
            avg=[[-1, 2000, 700], [1000, -2, 700]],
            delta=[[0, 1000, 0], [500, 0, 0]],
            deltaPercent=[[0, 50, 0], [50, 0, 0]],
        )
    )
    assert deal.delta_percent == ((None, 50, None), (50, None, None))
    assert deal.delta == ((None, 1000, None), (500, None, None))


def test_a_title_that_is_no_text_is_empty_and_a_long_one_is_cut() -> None:
    assert Deal.from_json(raw_deal(title=["T"])).title == ""
    long = Deal.from_json(raw_deal(title="word " * 100_000)).title
    assert (len(long) <= 2000, long[:9], long[-1]) == (True, "word word", "…")
