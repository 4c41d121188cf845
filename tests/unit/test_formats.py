"""Numbers, ages and moments as text: by the rules of CLDR, in whole numbers, halves away from zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from babel.numbers import format_currency, format_decimal
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals import formats
from keepa_deals.deals.money import digits, from_minor, money, to_minor, whole
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.web.format import ago, percent, percent_tenth, stars
from keepa_deals.web.http import static_files

AMOUNTS = st.integers(-(2**53), 2**53)


@given(AMOUNTS, st.sampled_from(sorted(MARKETPLACES)))
def test_amounts_are_written_as_their_locale_writes_them(amount: int, domain_id: int) -> None:
    place = MARKETPLACES[domain_id]
    value = Decimal(amount).scaleb(-digits(domain_id))
    expected = format_currency(value, place.currency, locale=place.locale)
    assert money(amount, domain_id) == expected.replace("-", formats.MINUS)


@given(AMOUNTS)
def test_counts_have_their_thousands_separated(value: int) -> None:
    assert whole(value) == format_decimal(value, locale="en_US").replace("-", formats.MINUS)


@given(AMOUNTS)
def test_shares_are_rounded_to_the_nearest_and_halves_away_from_zero(basis_points: int) -> None:
    for text, step in ((percent(basis_points), "1"), (percent_tenth(basis_points), "0.1")):
        text = text.replace(formats.MINUS, "-")
        number = Decimal(text.removesuffix(" %").replace(",", ""))
        assert number == (Decimal(basis_points) / 100).quantize(Decimal(step), ROUND_HALF_UP)
        assert "-0" not in (text, text[:2] + text[2:].strip(" %0."))


@pytest.mark.parametrize(
    ("basis_points", "tenths", "percents"),
    [
        (3425, "34.3 %", "34 %"),  # as a binary fraction it was 34.2 %
        (-3425, "−34.3 %", "−34 %"),
        (3450, "34.5 %", "35 %"),
        (50, "0.5 %", "1 %"),
        (250, "2.5 %", "3 %"),
        (-4, "0.0 %", "0 %"),
        (123_456_789, "1,234,567.9 %", "1,234,568 %"),
        (None, "–", "–"),
    ],
)
def test_half_a_step_goes_away_from_zero(basis_points: int | None, tenths: str, percents: str) -> None:
    assert percent_tenth(basis_points) == tenths
    assert percent(basis_points) == percents


def test_india_groups_by_two_and_yen_has_no_fractions() -> None:
    assert money(1_234_567_890, 10) == "₹1,23,45,678.90"
    assert money(1_234_567, 5) == "￥1,234,567"
    assert money(-5, 4) == "−0,05\xa0€"
    assert stars(47) == "4.7"


@given(st.decimals(0, 10**9 - 1, places=2), st.sampled_from(sorted(MARKETPLACES)))
def test_what_is_typed_comes_back_as_it_was_to_the_smallest_unit(typed: Decimal, domain_id: int) -> None:
    places = digits(domain_id)
    assert Decimal(from_minor(to_minor(typed, domain_id), domain_id)) == typed.quantize(
        Decimal(1).scaleb(-places), ROUND_HALF_UP
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-60, "just now"), (59.9, "just now"), (60, "1 min ago"), (3599, "59 min ago"), (3600, "1 h ago")),
        *((48 * 3600 - 1, "47 h ago"), (48 * 3600, "2 d ago"), (10**9, "11574 d ago")),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert formats.age(seconds) == text


def test_an_age_counts_from_the_second_that_the_page_carries() -> None:
    seen = datetime(2026, 11, 30, 12, 0, 0, 900_000, UTC)
    assert ago(seen, seen.replace(microsecond=0) + timedelta(seconds=60)) == "1 min ago"


def test_scripts_leave_the_writing_of_numbers_to_one_place() -> None:
    scripts = [path for path in static_files.FOLDER.glob("*.js") if path.name != "formats.js"]
    assert len(scripts) > 5
    for path in scripts:
        text = path.read_text()
        for own_way in ("Intl.", "toFixed", "toLocale", "toPrecision"):
            assert own_way not in text, f"{path.name} formats by itself ({own_way}): use formats.js"
