"""The pages for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from keepa_deals.db.models import Deal
from keepa_deals.query.cache.cache import ColumnCache
from keepa_deals.sandbox.catalogue.vocabulary import HOSTILE_TITLES
from keepa_deals.web.services import EXTENSION
from tests.support.world import START, World

Stock = Callable[..., None]


def test_the_deals_page_shows_what_a_buyer_needs(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = client.get("/").text
    for expected in ("Title of B000000000", "$10.00", "$30.00", "−67 %", "−$20.00", "5,000", "just now"):
        assert expected in page
    assert 'href="https://www.amazon.com/dp/B000000000"' in page


def test_a_row_is_made_anew_for_whatever_changes_in_it(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1, enrich=True)
    assert "just now" in client.get("/").text
    world.clock.pass_time(timedelta(minutes=3))
    assert client.get("/").text.count("3 min ago") == 3  # found, priced so, and seen
    with world.database.begin() as session:  # as repricing does, which is no change of the deal
        session.execute(update(Deal).values(profit=123456))
    assert "$1,234.56" in client.get("/").text
    assert client.get("/?interval=day").text.count('data-label="Change, day"') == 1
    assert "<s>$30.00</s>" in client.get("/?layout=cards").text
    new = client.get("/", query_string={"since": "2020-01-01T00:00:00+00:00"}).text
    assert 'class="live new"' in new
    assert 'class="live new"' not in client.get("/").text


def test_an_empty_table_is_explained(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "No deals yet" in page
    assert "first ones arrive" in page


def test_a_filter_that_matches_nothing_offers_the_way_back(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = client.get("/?price_min=99999").text
    assert "No deal matches these filters" in page
    assert 'value="99999.00"' in page


def test_pages_follow_each_other_without_gap_or_repeat(client: FlaskClient, stock: Stock) -> None:
    stock(120)
    seen: list[str] = []
    address = "/?limit=50"
    while address:
        page = client.get(address).text
        seen += re.findall(r'data-key="1-(\w+)"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert seen == [f"B{number:09d}" for number in range(120)]  # one page's, the newest by Keepa first


def test_a_deal_that_was_not_seen_in_time_is_not_shown_as_live(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(3)
    assert "No deal is stale" in client.get("/?status=stale").text
    world.clock.pass_time(timedelta(minutes=61))
    assert "<strong>0</strong> live deals" in client.get("/").text
    page = client.get("/?status=stale").text
    assert "<strong>3</strong> stale deals" in page
    assert page.count('<b class="badge stale">stale</b>') == 3


def test_each_status_says_how_many_deals_it_has_under_the_other_filters(
    client: FlaskClient, stock: Stock, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(2)
    world.clock.pass_time(timedelta(minutes=61))
    stock(5)
    with world.database.begin() as session:
        session.execute(update(Deal).where(Deal.asin == "B000000004").values(ended_at=world.clock.now()))
        old = Deal.asin.in_(["B000000000", "B000000001"])
        session.execute(update(Deal).where(old).values(last_seen_at=START))

    def counts(address: str) -> dict[str, str]:
        tabs = client.get(address).text.partition('id="statuses"')[2].partition("</span>")[0]
        return dict(re.findall(r">(\w[\w ]*) <b class=\"count\">(\d+)</b>", tabs))

    expected = {"Live": "2", "Stale": "2", "Ended": "1", "All": "5"}
    assert counts("/") == expected
    assert counts("/live") == expected
    assert counts("/?price_max=10.02") == {"Live": "1", "Stale": "2", "Ended": "0", "All": "3"}
    assert counts("/?status=open") == {**expected, "Live and stale": "4"}
    monkeypatch.setattr(ColumnCache, "is_catching_up", True)
    assert counts("/") == {"Live": "2"}  # the others would hold the page up


def test_when_ingestion_is_behind_a_banner_says_so(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1)
    world.clock.pass_time(timedelta(minutes=30))
    page = client.get("/").text
    assert "The deals may be old: nothing has been refreshed since 12:00 UTC, 30 min ago." in page
    assert "Redis cannot be reached" in page


def test_unknown_values_that_a_filter_hides_are_counted(client: FlaskClient, stock: Stock) -> None:
    stock(4)
    page = client.get("/?sold_min=10").text
    assert "hidden because unknown: 4" in page
    assert "<strong>4</strong>" in client.get("/?sold_min=10&unknown=1").text


@pytest.mark.parametrize("copied", [False, True])
def test_what_two_filters_hide_for_being_unknown_is_said(
    client: FlaskClient, stock: Stock, copied: bool
) -> None:
    stock(4)  # not enriched: neither profit nor monthly sold is known
    if copied:
        client.application.extensions[EXTENSION].column_cache.step()
    page = client.get("/?sold_min=10&profit_min=1").text
    assert "hidden because unknown: 4 by several filters" in page
    assert "<strong>4</strong>" in client.get("/?sold_min=10&profit_min=1&unknown=1").text


@pytest.mark.parametrize("title", HOSTILE_TITLES)
def test_a_hostile_title_stays_text(client: FlaskClient, stock: Stock, title: str) -> None:
    stock(1, title=title)
    for address in ("/", "/deals/1/B000000000", "/?q=" + title[:20]):
        answer = client.get(address)
        assert answer.status_code in (200, 400)
        for forbidden in ("<script>document", "<img src=x", "<h1>", "' onmouseover"):
            assert forbidden not in answer.text.replace("<h1>{", "").replace('<h1 class="', "") or (
                forbidden == "<h1>" and answer.text.count("<h1>") <= 1
            )


def test_the_page_of_one_deal_tells_its_life(client: FlaskClient, stock: Stock, world: World) -> None:
    stock(1, enrich=True)
    page = client.get("/deals/1/B000000000").text
    for expected in (
        "Title of B000000000",
        "Acme",
        "12 / 40",
        "3.50",
        "when it was first read",
        "Recorded history",
    ):
        assert expected in page


@pytest.mark.parametrize(
    "address", ["/deals/1/B999999999", "/deals/1/nonsense", "/deals/0/B000000000", "/no"]
)
def test_what_does_not_exist_is_404_with_a_page(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_the_health_page_works_without_redis(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = client.get("/health").text
    assert "Redis cannot be reached" in page
    assert "update_recent_deals" in page


def test_every_answer_forbids_inline_scripts_and_framing(client: FlaskClient) -> None:
    for address in ("/", "/health", "/api/deals", "/no"):
        headers = client.get(address).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_pages_hold_no_inline_script_or_style(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    for address in ("/", "/deals/1/B000000000", "/health"):
        page = client.get(address).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", page)


def test_a_database_that_is_gone_is_said_in_words(client: FlaskClient, world: World) -> None:
    path = world.database.path
    assert path is not None
    world.database.close()
    for part in path.parent.glob("deals.db*"):
        part.unlink()
    path.mkdir()
    answer = client.get("/")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text


def test_scripts_and_styles_stand_under_the_address_of_their_version(client: FlaskClient) -> None:
    page = client.get("/").text
    files = re.findall(r'(?:href|src)="(/static/[0-9a-f]{12}/[^"]+)"', page)
    assert {file.rpartition("/")[2] for file in files} >= {
        "base.css",
        "deals.css",
        "polling.js",
        "shortcuts.js",
    }
    for file in files:
        with client.get(file) as answer:
            assert answer.status_code == 200
            assert "max-age=31536000" in answer.headers["Cache-Control"]
