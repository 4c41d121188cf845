"""The page's form has the fields of all filters, reads what people type, and says what it can't read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from keepa_deals.query.filters import FILTERS
from keepa_deals.query.parse import parse_view
from tests.support.filter_values import values_of

Stock = Callable[..., None]


@pytest.mark.parametrize("name", FILTERS)
def test_the_page_has_the_field_filled_in(name: str, client: FlaskClient, stock: Stock) -> None:
    stock(1)
    value = values_of(FILTERS[name])[-1][-1]
    each, view = FILTERS[name], parse_view({name: [value]}, domain_id=1)
    (typed,) = each.shown(view.value_of(each), 1)
    page = client.get("/", query_string={name: value})
    assert page.status_code == 200
    assert f'name="{name}"' in page.text
    assert f'value="{typed}"' in page.text.replace("&#39;", "'")


@dataclass(frozen=True)
class Page:
    """What of a deals page tells of a mistake."""

    text: str

    def field(self, name: str) -> str:
        found = re.search(rf'<(?:input|select)[^>]* name="{name}"[^>]*>', self.text)
        assert found, name
        return found[0]

    @property
    def marked(self) -> list[str]:
        """The fields that are marked."""
        fields = re.findall(r"<(?:input|select)[^>]*>", self.text)
        return [
            found[1]
            for field in fields
            if "aria-invalid" in field and (found := re.search(r'name="(\w+)"', field))
        ]

    def problem(self, name: str) -> str:
        """What is tied to a field."""
        described = re.search(r'aria-describedby="([^"]+)"', self.field(name))
        assert described
        found = re.search(rf'<p class="problem" id="{described[1]}">([^<]*)</p>', self.text)
        assert found
        return found[1]

    @property
    def notice(self) -> str:
        found = re.search(r'id="mistakes".*?</div></div>', self.text, re.DOTALL)
        return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", found[0])) if found else ""


def read(client: FlaskClient, **query: str) -> Page:
    answer = client.get("/", query_string=query)
    assert answer.status_code == 200
    return Page(unescape(answer.text))


MISTYPED = [
    *(("price_max", text) for text in ("19,99", "abc", "20 %", "1e3", "€19", "1.000", "5-", "--5", "9" * 12)),
    *(("discount_min", text) for text in ("20.5", "$20", "zwanzig")),
    *(("rank_max", text) for text in ("5.5", "5k", "top 10")),
    *(("rating_min", text) for text in ("4,5", "four")),
    *(("roi_min", text) for text in ("1e2", "12,5 %")),
    *(("offers_max", "few"), ("q", "x" * 201), ("q", "a\x00b")),
    *(("found_within", "yesterday"), ("found_within", "0"), ("amazon", "maybe")),
    *(("lowest", "1"), ("status", "gone")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "typed"), MISTYPED)
def test_a_mistyped_value_is_marked_and_all_others_stay_in_force(
    name: str, typed: str, client: FlaskClient, stock: Stock
) -> None:
    stock(3)  # at $10.00, $10.01, $10.02
    page = read(client, **{name: typed, "price_min": "10.01", "sort": "price"})
    assert page.marked == [name]
    assert page.problem(name)
    assert "1 value is not in force, all others are" in page.notice
    assert page.problem(name) in page.notice
    if name not in ("status", "found_within", "amazon", "lowest"):
        assert f'value="{typed}"' in page.field(name)
    assert "<strong>2</strong>" in page.text, "the other filter holds"
    assert 'value="10.01"' in page.field("price_min")
    assert '<details class="filters-toggle" open>' in page.text
    links = "".join(re.findall(r'href="(/[^"]*)"', page.text))
    assert urlencode({name: typed}) not in links, "no link leads there"
    polled = client.get("/live", query_string={name: typed, "price_min": "10.01"})
    assert polled.status_code == 200
    for program in ("/api/deals", "/export.csv", "/export.json", "/feed.atom"):
        refused = client.get(program, query_string={name: typed}, headers={"Accept": "application/json"})
        assert refused.status_code == 400
        assert f"{name}: " in refused.text


@pytest.mark.parametrize("typed", ["10.01", "$10.01", "10.01 $", " 10.01 ", "１０．０１", "USD 10.01"])
def test_what_can_be_understood_is_in_force(typed: str, client: FlaskClient, stock: Stock) -> None:
    stock(3)
    page = read(client, price_max=typed)
    assert page.marked == []
    assert page.notice == ""
    assert "<strong>2</strong>" in page.text
    assert 'value="10.01"' in page.field("price_max")
    assert "/export.csv?price_max=10.01" in page.text


def test_the_currency_and_the_habits_are_those_of_the_marketplace(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = read(client, domain="3", price_max="1.000,50 €", rank_max="12.000", roi_min="−5,5")
    assert page.marked == []
    assert "price_max=1000.50&rank_max=12000&roi_min=-5.5" in page.text
    assert 'value="1000,50"' in page.field("price_max")
    assert 'value="−5,5"' in page.field("roi_min")
    assert "Price ≤ 1.000,50\xa0€" in page.text
    assert "ROI ≥ −5.5 %" in page.text
    assert read(client, domain="3", price_max="$19").marked == ["price_max"]


def test_several_mistakes_are_told_together_and_none_hides_another(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = read(
        client, price_max="abc", rank_max="def", sort="colour", limit="lots", interval="year", q="title"
    )
    assert page.marked == ["price_max", "rank_max"]
    assert "5 values are not in force, all others are" in page.notice
    for part in ("Price, $ to :", "Sales rank to :", "Sort:", "Limit:", "Interval:"):
        assert part in page.notice
    assert "“title”" in page.text


@pytest.mark.parametrize(
    ("query", "fields", "said"),
    [
        ({"price_min": "50", "price_max": "20"}, ["price_min", "price_max"], "Price from $50.00 to $20.00"),
        ({"rank_min": "5,000", "rank_max": "100"}, ["rank_min", "rank_max"], "Rank from 5,000 to 100"),
        ({"back_in_stock": "1", "status": "ended"}, ["status"], "“Back in stock”"),
        ({"ended_reason": "out_of_stock"}, ["status", "ended_reason"], "where only live deals are shown"),
    ],
)
def test_filters_that_exclude_each_other_are_said_to_be_empty_by_themselves(
    client: FlaskClient, stock: Stock, query: dict[str, str], fields: list[str], said: str
) -> None:
    stock(1)
    page = read(client, **query)
    assert page.marked == fields
    assert said in page.problem(fields[0])
    assert "is empty by itself" in page.notice
    assert "not in force" not in page.notice
    assert "No deal can match these filters" in page.text
    assert client.get("/api/deals", query_string={"price_min": "50", "price_max": "20"}).json == {
        "deals": [], "total": 0, "hidden": 0, "next": None
    }  # fmt: skip


def test_equal_bounds_are_a_range(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = read(client, price_min="10", price_max="10")
    assert page.marked == []
    assert "<strong>1</strong>" in page.text


def test_the_skip_link_leads_to_the_deals(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = read(client).text
    assert '<a class="skip" href="#results">Skip to the deals</a>' in page
    assert 'id="results" tabindex="-1" aria-label="Deals"' in page
