"""The page of one deal: its economics to play with, and its life in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, update

from keepa_deals.db.models import Deal, DealEvent, DealPoint
from keepa_deals.db.upsert import write_pasts
from keepa_deals.deals.price_history import Line, Past, pack
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.history import PricePoint
from tests.support.world import START, World

Stock = Callable[..., None]
ADDRESS = "/deals/1/B000000000"


def results(page: str) -> dict[str, str]:
    return dict(re.findall(r'data-result="(\w+)"[^>]*>([^<]*)<', page))


def test_the_economics_show_every_term(client: FlaskClient, stock: Stock) -> None:
    stock(1, enrich=True)
    page = client.get(ADDRESS).text
    # bought at 10.00, sold at 30.00 less 15.01 % and 3.50 for FBA
    assert results(page) == {"profit": "$12.00", "roi": "120.0 %", "margin": "40.0 %", "break_even": "$15.88"}
    for value in ("30.00", "15", "3.50", "10.00", "0.00"):
        assert f'placeholder="{value}"' in page
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
    assert "Unknown so far: <span>FBA fee</span>." in page  # those of books are published
    assert results(page)["profit"] == "–"
    known = client.get(ADDRESS, query_string={"referral": "15", "fba": "3.50"}).text
    assert results(known)["profit"] == "$10.20"  # and so is their closing fee of 1.80


def test_a_fee_of_0_is_shown_as_unknown(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1, enrich=True)
    with world.database.begin() as session:
        session.execute(update(Deal).values(fba_fee=0))
    assert "Unknown so far: <span>FBA fee</span>." in client.get(ADDRESS).text
    assert (client.get(f"/api{ADDRESS}").json or {})["deal"]["fba_fee"] is None


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("buy", "x", "“x” is not understood"),
        ("buy", "-1", "“-1” must be 0 or more."),
        ("buy", "19,99", "“19,99” could mean more than one number"),
        ("referral", "101", "“101” must be from 0 to 100."),
        ("referral", "$15", "“$15” is not understood: type a percentage like 12.5."),
        ("fba", "1e9", "“1e9” is not understood"),
    ],
)
def test_a_mistyped_term_stays_in_its_field_and_says_why(
    client: FlaskClient, stock: Stock, name: str, typed: str, said: str
) -> None:
    stock(1, enrich=True)
    answer = client.get(ADDRESS, query_string={name: typed, "prep": "1.50"})
    assert answer.status_code == 200
    page = unescape(answer.text)
    field = re.search(rf'<input id="term-{name}"[^>]*>', page)
    assert field
    assert f'value="{typed}"' in field[0]
    assert f'aria-invalid="true" aria-describedby="problem-{name}"' in field[0]
    assert re.search(rf'id="problem-{name}" >{re.escape(said)}', page)
    assert page.count('aria-invalid="true"') == 1
    assert 'name="prep" value="1.50"' in page
    assert results(page)["profit"] == "–"
    assert "As known" in page


def test_a_term_is_read_as_the_marketplace_types_it(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1, enrich=True)
    for typed in ("$12", "12.00 $", "１２", "USD 12", " 12\u00a0"):
        assert results(client.get(ADDRESS, query_string={"buy": typed}).text)["profit"] == "$10.00"
    with world.database.begin() as session:
        session.execute(delete(DealPoint))
        session.execute(delete(DealEvent))
        session.execute(update(Deal).values(domain_id=3))
    page = client.get("/deals/3/B000000000", query_string={"buy": "1.012,50 €"}).text
    assert results(page)["profit"] == "−990,50\xa0€"
    assert 'name="buy" value="1012,50"' in page


def test_a_deal_that_another_variation_stands_for_names_it_with_links(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    assert "variation" not in client.get(ADDRESS).text
    with world.database.begin() as session:
        session.execute(update(Deal).values(shown_asin="B0VARIATIO"))
    page = client.get(ADDRESS).text
    assert "Keepa shows this product’s variation" in page
    assert 'href="https://www.amazon.com/dp/B0VARIATIO"' in page
    assert 'href="https://keepa.com/#!product/1-B0VARIATIO"' in page


def test_changes_of_price_are_told_with_the_events(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    for minutes, price in ((10, 900), (20, 950), (100, 950)):
        world.clock.pass_time(timedelta(minutes=minutes))
        stock(1, price=price)
        upsert.run(world.context)
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
        "In Keepa’s feed when it was first read",
    ]


def charted(client: FlaskClient) -> list[list[int | None]]:
    """Moments, Keepa's price, our price, the average, Keepa's rank, our rank."""
    found = re.search(r'data-series="([^"]*)"', client.get(ADDRESS).text)
    assert found
    return list(json.loads(unescape(found[1])))


def test_the_curve_reaches_to_when_the_deal_was_last_seen(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    world.clock.pass_time(timedelta(minutes=30))
    upsert.run(world.context)
    moments, *values = charted(client)
    assert moments[0] is not None
    assert moments[-1] == moments[0] + 30 * 60
    nothing = [None, None]
    assert values == [nothing, [1000, 1000], [3000, 3000], nothing, [5000, 5000]]
    assert "1 record since 2026-03-01 12:00 UTC: the price stayed at $10.00." in client.get(ADDRESS).text


def test_keepas_history_leads_up_to_our_first_record_and_says_whose_it_is(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    told = {
        CsvType.NEW: [(80, 2500), (40, None), (20, 2000), (-1, 77)],  # the last one lies ahead of us
        CsvType.SALES: [(100, 9000), (30, 8000)],
    }
    history = {
        kind: tuple(PricePoint(START - timedelta(days=days), value) for days, value in points)
        for kind, points in told.items()
    }
    old = world.keepa.products_by_asin["B000000000"]
    world.keepa.products_by_asin["B000000000"] = replace(old, history=history)
    world.clock.pass_time(timedelta(minutes=30))
    backfill.run_slice(world.context)
    upsert.run(world.context)
    moments, *values = charted(client)
    first, day = int(START.timestamp()), 86_400
    days = [(moment - first) / day for moment in moments if moment is not None]
    assert [round(number, 2) for number in days] == [-100, -80, -40, -30, -20, 0, 0.02]
    assert values == [
        [None, 2500, None, None, 2000, 2000, None],
        [None, None, None, None, None, 1000, 1000],
        [None, *[3000] * 6],  # of the last 90 days
        [9000, 9000, 9000, 8000, 8000, 8000, None],
        [None, None, None, None, None, 5000, 5000],
    ]
    page = client.get(ADDRESS).text
    assert "Until 2026-03-01 12:00 UTC told by Keepa, from then on 1 record of ours" in page
    assert "the lowest price was $10.00 (2026-03-01 12:00), the highest $25.00 (2025-12-11 12:00)." in page
    rows = re.findall(r"<td class=\"number\">([^<]*)</td><td>(Keepa|seen here)</td>", page)
    assert rows == [("5,000", "seen here"), ("8,000", "Keepa"), ("9,000", "Keepa"), ("9,000", "Keepa")]
    answer = client.get("/api" + ADDRESS).get_json()["keepa_history"]
    assert answer["read_at"] == "2026-03-01T12:30:00Z"
    assert answer["price"][1] == {"at": "2026-01-20T12:00:00Z", "value": None}


def drawn(client: FlaskClient, name: str) -> Any:
    """What the page gives its chart under a name."""
    found = re.search(rf'data-{name}="([^"]*)"', client.get(ADDRESS).text)
    assert found
    return json.loads(unescape(found[1]))


def keep(world: World, past: Past) -> None:
    """Let Keepa have told this at the start."""
    row = {"domain_id": 1, "asin": "B000000000", "read_at": START, "price_type": int(CsvType.NEW)}
    with world.database.begin() as session:
        write_pasts(session, [{**row, "packed": pack(past)}])


def test_the_chart_has_other_lines_until_keepa_was_asked_and_the_marks_of_sales_and_amazon(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    now = int(START.timestamp()) // 60
    day = 1440
    past = Past(
        ((now - 300 * day, 2000), (now - 100 * day, 3000)),
        ((now - 300 * day, 9000), (now - 100 * day, 100)),
        {
            Line.AMAZON: ((now - 300 * day, 2500), (now - 200 * day, None), (now - 50 * day, 2400)),
            Line.RATING: ((now - 300 * day, 45),),
            Line.YEAR_BEFORE: ((now - 500 * day, 1500), (now - 400 * day, None)),
        },
        (now - 100 * day,),
    )
    keep(world, past)
    world.clock.pass_time(timedelta(minutes=30))
    upsert.run(world.context)
    lines = {line["name"]: line for line in drawn(client, "lines")}
    first = 60 * (now - 300 * day)
    assert lines["amazon"]["steps"] == [
        [first, 60 * (now - 200 * day), 60 * (now - 50 * day), 60 * now],
        [2500, None, 2400, None],
    ]
    assert (lines["rating"]["scale"], lines["rating"]["label"]) == ("rating", "Rating")
    assert lines["year_before"]["steps"] == [[60 * (now - 135 * day), 60 * (now - 35 * day)], [1500, None]]
    assert drawn(client, "marks") == {
        "sales": [60 * (now - 100 * day)],
        "amazon": [[first, 60 * (now - 200 * day)], [60 * (now - 50 * day), 60 * now]],
    }
    page = client.get(ADDRESS).text
    assert "The rank fell 1 time: each fall is taken for a sale." in page
    assert "Amazon had an offer for 50 % of the time." in page
    assert "The middle price of the year is $20.00, of the year before $15.00." in page
    told = client.get("/api" + ADDRESS).get_json()["keepa_history"]
    assert [step["value"] for step in told["amazon"]] == [2500, None, 2400]
    assert (told["used"], told["sales"]) == ([], ["2025-11-21T12:00:00Z"])


def test_a_past_without_other_lines_has_nothing_to_switch_and_says_nothing_of_them(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    now = int(START.timestamp()) // 60
    keep(world, Past(((now - 1440, 2000),), ()))
    assert (drawn(client, "lines"), drawn(client, "marks")) == ([], {"sales": [], "amazon": []})
    page = client.get(ADDRESS).text
    assert "Amazon had an offer" not in page
    assert "taken for a sale" not in page


def test_a_history_of_another_kind_of_price_or_a_broken_one_is_not_drawn(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1)
    row = {"domain_id": 1, "asin": "B000000000", "read_at": START}
    told = pack(Past(((1, 2500),), ()))
    for packed, kind in ((told, CsvType.USED), (b"broken", CsvType.NEW)):
        with world.database.begin() as session:
            write_pasts(session, [{**row, "price_type": int(kind), "packed": packed}])
        assert charted(client)[1] == [None]
        assert client.get("/api" + ADDRESS).get_json()["keepa_history"] is None


def test_the_way_back_leads_to_the_list_that_the_reader_came_from(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    for referrer, back in (
        ("http://localhost/?sort=price", "/?sort=price"),
        ("http://elsewhere/?sort=price", "/"),
        ("http://localhost/health?hours=1", "/"),
    ):
        page = client.get(ADDRESS, headers={"Referer": referrer}).text
        assert f'<a href="{back}">← Deals</a>' in page
