"""Named views, without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from keepa_deals.web.deals.saved_views import MAX_VIEWS
from tests.support.world import World

Send = Callable[..., TestResponse]


def save(send: Send, name: str, query: str) -> int:
    return send("/views", {"name": name, "query": query}).status_code


def test_a_view_is_kept_under_its_name(client: FlaskClient, send: Send) -> None:
    answer = send("/views", {"name": " Cheap  books ", "query": "price_max=20&category=283155"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/?category=283155&price_max=20.00"
    page = client.get(answer.headers["Location"]).text
    assert 'class="own" aria-current="page">Cheap books' in page
    assert "Forget “Cheap books”" in page


def test_the_same_name_again_replaces_the_view(client: FlaskClient, send: Send) -> None:
    save(send, "Mine", "price_max=20")
    save(send, "Mine", "price_max=30")
    page = client.get("/").text
    assert "/?price_max=30.00" in page
    assert "price_max=20.00" not in page


def test_a_view_is_shown_as_the_reader_looks_at_deals_now(client: FlaskClient, send: Send) -> None:
    save(send, "Cheap", "price_max=20")
    save(send, "Cheap cards", "price_max=20&layout=cards")
    page = client.get("/?layout=cards&limit=100").text
    assert 'href="/?layout=cards&amp;limit=100" class="" aria-current="page">Newest</a>' in page
    assert 'href="/?price_max=20.00&amp;layout=cards&amp;limit=100" class="own" >Cheap <' in page
    assert 'href="/?price_max=20.00&amp;layout=cards" class="own" >Cheap cards' in page
    assert "Save this view" in page
    page = client.get("/?price_max=20&layout=cards").text
    assert page.count('aria-current="page"') == 1 + 1  # the page's and the view's own
    assert 'aria-current="page">Cheap cards' in page
    assert 'class="button plain" href="/?layout=cards">Reset</a>' in page


def test_a_view_that_filters_says_how_many_deals_it_has(
    client: FlaskClient, send: Send, stock: Callable[..., None], world: World
) -> None:
    def counts(address: str) -> dict[str, str]:
        return dict(re.findall(r'data-tally="([^"]+)">([^<]+)<', client.get(address).text))

    stock(5)
    save(send, "Cheap", "price_max=10.02")
    nothing = dict.fromkeys(("Best ROI", "Sells fast", "Lowest ever", "Back in stock"), "0")
    assert counts("/") == {**nothing, "Cheap": "3"}
    stock(7, price=100)
    assert counts("/live")["Cheap"] == "3"  # as of a few seconds ago
    world.clock.pass_time(timedelta(seconds=11))
    assert counts("/?layout=cards")["Cheap"] == "7"


def test_a_view_can_be_forgotten_twice(client: FlaskClient, send: Send) -> None:
    save(send, "Mine", "price_max=20")
    for _ in range(2):
        assert send("/views/delete", {"name": "Mine", "query": ""}).status_code == 303
    assert "Mine" not in client.get("/").text


def test_a_name_is_text_wherever_it_is_shown(client: FlaskClient, send: Send) -> None:
    save(send, "<script>alert(1)</script>", "price_max=20")
    page = client.get("/?price_max=20").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("", ""),
        ("x" * 61, ""),
        ("newest", ""),
        ("a\x00b", ""),
        ("Mine", "price_max=abc"),
        ("Mine", "sort=no"),
    ],
)
def test_a_view_that_cannot_be_is_refused(send: Send, name: str, query: str) -> None:
    assert save(send, name, query) == 400


def test_there_is_an_end_to_how_many_are_kept(client: FlaskClient, send: Send) -> None:
    for number in range(MAX_VIEWS):
        assert save(send, f"View {number}", "") == 303
    assert save(send, "One more", "") == 400
    assert save(send, "View 7", "price_max=20") == 303
