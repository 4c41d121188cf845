"""Numbers as people type them: what can be read in one way only is read, the rest is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.deals.money import money, whole
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.query.amounts import Unit, read_amount, typed_amount
from keepa_deals.query.typed_numbers import TypedNumberError, field_text, read_typed, reading
from keepa_deals.web.format import percent_tenth
from tests.support.typed import CASES, GERMANY, US, Case

DOMAINS = st.sampled_from(sorted(MARKETPLACES))
STORED = st.integers(-(10**9) + 1, 10**9 - 1)  # nine digits, also where money has no decimals


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}".encode("unicode_escape").decode()[:60]
)
def test_a_number_is_read_or_refused_with_what_was_typed(case: Case) -> None:
    unit, domain_id, text, expected = case
    if expected is not None:
        assert read_typed(unit, text, domain_id) == expected
        return
    with pytest.raises(TypedNumberError) as error:
        read_typed(unit, text, domain_id)
    assert text.strip()[:5].strip() in str(error.value)
    assert "{" not in str(error.value)


@pytest.mark.parametrize(
    ("unit", "domain_id", "text", "said"),
    [
        (Unit.MONEY, US, "abc", "“abc” is not understood: type an amount in $ like 1,234.50."),
        (Unit.MONEY, US, "19,99", "here “.” comes before at most two decimals, and “,” between thousands"),
        (Unit.MONEY, GERMANY, "1,000", "here “,” comes before at most two decimals, and “.” between"),
        (Unit.MONEY, 4, "1.234", "and a blank between thousands"),
        (Unit.MONEY, US, "€19", "an amount in $"),
        (Unit.MONEY, US, "1234567890", "at most 9 digits before the decimals"),
        (Unit.COUNT, US, "5.5", "“5.5” is not a whole number: type a whole number like 1,234."),
        (Unit.PERCENT, US, "$20", "type a percentage like 20."),
        (Unit.STARS, GERMANY, "viele", "type a number of stars like 4,5."),
        (Unit.MONEY, US, "x" * 5000, "“" + "x" * 40 + "…” is not understood"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_what_is_allowed(unit: Unit, domain_id: int, text: str, said: str) -> None:
    with pytest.raises(TypedNumberError) as error:
        read_typed(unit, text, domain_id)
    assert said in str(error.value)


@given(st.sampled_from(Unit), STORED, DOMAINS)
def test_what_an_address_or_a_field_holds_is_read_as_it_was_meant(
    unit: Unit, value: int, domain_id: int
) -> None:
    value = max(min(value, 10**8), -(10**8))
    written = typed_amount(unit, value, domain_id)
    assert read_typed(unit, written, domain_id) == read_amount("x", unit, written, domain_id) == value
    assert read_typed(unit, field_text(unit, value, domain_id), domain_id) == value


@given(STORED, DOMAINS)
def test_what_the_pages_write_is_understood_when_it_is_pasted(value: int, domain_id: int) -> None:
    assert read_typed(Unit.MONEY, money(value, domain_id), domain_id) == value
    assert read_typed(Unit.COUNT, whole(abs(value) // 10), domain_id) == abs(value) // 10
    share = percent_tenth(10 * (value // 10_000))
    assert read_typed(Unit.BASIS_POINTS, share, domain_id) == 10 * (value // 10_000)


@given(st.text(max_size=120), st.sampled_from(Unit), DOMAINS)
def test_whatever_is_typed_is_a_number_within_bounds_or_refused(
    text: str, unit: Unit, domain_id: int
) -> None:
    try:
        value = read_typed(unit, text, domain_id)
    except TypedNumberError:
        return
    assert abs(Decimal(value).scaleb(-reading(unit, domain_id).digits)) < 10**9 + 1
