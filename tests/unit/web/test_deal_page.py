"""The page of one deal: its economics to play with, and its life in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from flask.testing import FlaskClient

from keepa_deals.ingest import recent
from tests.unit.ingest.fakes import World

Stock = Callable[..., None]
ADDRESS = "/deals/1/B000000000"


def results(page: str) -> dict[str, str]:
    return dict(re.findall(r'data-result="(\w+)"[^>]*>([^<]*)<', page))


def test_the_economics_show_every_term(client: FlaskClient, stock: Stock) -> None:
    stock(1, enrich=True)
    page = client.get(ADDRESS).text
    # bought at 10.00, sold at 30.00 less 15.01 % and 3.50 for FBA
    assert results(page) == {"profit": "$12.00", "roi": "120.0 %", "margin": "40.0 %", "break_even": "$15.89"}
    for value in ("30.00", "15.01", "3.50", "10.00", "0.00"):
        assert f'value="{value}"' in page
    assert "−$4.50" in page


def test_a_changed_term_gives_another_result_and_is_marked(client: FlaskClient, stock: Stock) -> None:
    stock(1, enrich=True)
    page = client.get(ADDRESS, query_string={"buy": "12", "sell": "", "prep": "1.50"}).text
    assert results(page)["profit"] == "$8.50"
    assert page.count('class="touched"') == 2
    assert "As known" in page


def test_a_deal_whose_fees_are_unknown_says_which(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = client.get(ADDRESS).text
    assert "Unknown so far: Referral fee, %, FBA fee." in page
    assert results(page)["profit"] == "–"
    known = client.get(ADDRESS, query_string={"referral": "15", "fba": "3.50"}).text
    assert results(known)["profit"] == "$12.00"


@pytest.mark.parametrize("query", [{"buy": "x"}, {"buy": "-1"}, {"referral": "101"}, {"fba": "1e9"}])
def test_a_term_that_is_none_is_named(client: FlaskClient, stock: Stock, query: dict[str, str]) -> None:
    stock(1)
    answer = client.get(ADDRESS, query_string=query)
    assert answer.status_code == 400
    assert next(iter(query)) + ": must be" in answer.text


def test_changes_of_price_are_told_with_the_events(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    for minutes, price in ((10, 900), (20, 950), (100, 950)):
        world.clock.pass_time(timedelta(minutes=minutes))
        stock(1, price=price)
        recent.run(world.context)
    page = client.get(ADDRESS).text
    told = [
        unescape(text)
        for text in re.findall(r"<li class=\"\w+\"><time[^>]*>[^<]*</time> <span>([^<]*)", page)
    ]
    assert told == [
        "Seen again: live",
        "Not looked at in time: stale from here on, until it is seen again",
        "The price rose from $9.00 to $9.50",
        "The price fell from $10.00 to $9.00",
        "Found in Keepa’s feed",
    ]


def test_the_curve_reaches_to_when_the_deal_was_last_seen(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    world.clock.pass_time(timedelta(minutes=30))
    recent.run(world.context)
    found = re.search(r'data-series="([^"]*)"', client.get(ADDRESS).text)
    assert found
    moments, prices, averages, ranks = json.loads(unescape(found[1]))
    assert moments[-1] - moments[0] == 30 * 60
    assert (prices, averages, ranks) == ([1000, 1000], [3000, 3000], [5000, 5000])


def test_the_way_back_leads_to_the_list_that_the_reader_came_from(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    for referrer, back in (
        ("http://localhost/?sort=price", "/?sort=price"),
        ("http://elsewhere/?sort=price", "/"),
        ("http://localhost/health?hours=1", "/"),
    ):
        page = client.get(ADDRESS, headers={"Referer": referrer}).text
        assert f'<a href="{back}">← Deals</a>' in page
