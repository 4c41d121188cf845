"""Every filter speaks for itself: wherever filters are listed, the registry is asked."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from keepa_deals.query.filters import FILTERS
from keepa_deals.query.filters.base import Kind
from keepa_deals.query.filters.bounds import Bound
from keepa_deals.query.parameters import ParameterError
from keepa_deals.query.parse import Understood, parse_view, understand
from keepa_deals.query.view import VIEW_PARAMETERS
from keepa_deals.web.api.openapi import describe
from keepa_deals.web.deals.active_filters import chips
from keepa_deals.web.deals.controls import form
from tests.support.filter_values import values_of

CASES = [(name, values) for name, each in FILTERS.items() for values in values_of(each)]


@pytest.mark.parametrize(("name", "values"), CASES)
def test_a_view_with_a_filter_is_an_address_that_gives_the_same_view(name: str, values: list[str]) -> None:
    view = parse_view({name: values}, domain_id=1)
    assert parse_view(parse_qs(view.query()), domain_id=1) == view
    assert view.without(name) == parse_view({}, domain_id=1)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_in_force_is_a_chip_that_takes_it_away(name: str) -> None:
    view = parse_view({name: values_of(FILTERS[name])[-1]}, domain_id=1)
    shown = chips(view, {}, {})
    assert shown
    assert all(chip.text for chip in shown)
    for chip in shown:
        assert len(chips(parse_view(parse_qs(chip.without), domain_id=1), {}, {})) == len(shown) - 1


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_is_told_by_the_description_of_the_api(name: str) -> None:
    parameters = {p["name"]: p for p in describe()["paths"]["/api/deals"]["get"]["parameters"]}
    assert parameters[name]["schema"] == FILTERS[name].schema()
    assert parameters[name]["description"] == FILTERS[name].description
    assert list(parameters)[: len(FILTERS)] == list(FILTERS)


@pytest.mark.parametrize("name", FILTERS)
def test_the_form_asks_for_a_filter_and_shows_its_value(name: str) -> None:
    values = values_of(FILTERS[name])[-1]
    view = parse_view({name: values}, domain_id=1)
    (field,) = [field for group in form(view) for field in group.fields if field.name == name]
    assert understand({name: list(field.values)}, domain_id=1) == Understood(view, ())
    if field.kind is Kind.CHOICE:
        assert field.value in dict(field.options)


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_no_value_of_a_filter_is_refused_by_its_name(name: str) -> None:
    for wrong in ("\x00", "~" * 201):
        with pytest.raises(ParameterError) as error:
            parse_view({name: [wrong]}, domain_id=1)
        assert error.value.name == name


def test_names_are_used_once() -> None:
    assert len(set(VIEW_PARAMETERS)) == len(VIEW_PARAMETERS)


def test_a_bound_says_what_it_is_about_without_its_direction() -> None:
    nouns = {name: each.noun for name, each in FILTERS.items() if isinstance(each, Bound)}
    assert nouns["price_max"] == nouns["price_min"] == "Price"
    assert nouns["discount_min"] == "Drop"
