"""Named views, without a script."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

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
    assert "Delete “Cheap books”…" in page


def forms(page: str) -> list[dict[str, str]]:
    """The forms of a page, each with what it would send."""
    found = re.findall(r"<form[^>]*>(.*?)</form>", page, re.DOTALL)
    fields = [re.findall(r'<input[^>]*name="(\w+)"[^>]*?(?: value="([^"]*)")', form) for form in found]
    return [
        {name: unescape(value) for name, value in pairs if name != "csrf_token"} for pairs in fields if pairs
    ]


@pytest.mark.parametrize("again", ["Mine", "mine", " MINE ", "Ｍｉｎｅ"])
def test_a_name_that_is_taken_asks_before_it_replaces(client: FlaskClient, send: Send, again: str) -> None:
    save(send, "Mine", "price_max=20")
    answer = send("/views", {"name": again, "query": "price_max=30"})
    assert answer.status_code == 409
    assert "There is a view “Mine” already" in answer.text
    assert "price_max=20.00" in client.get("/").text
    replacing, renaming = forms(answer.text)
    assert renaming == {"query": "price_max=30.00", "name": " ".join(again.split())}
    assert send("/views", {**renaming, "name": "Mine, too"}).status_code == 303
    assert send("/views", replacing).status_code == 303
    page = client.get("/").text
    assert page.count('class="own"') == 2
    assert "price_max=20.00" not in page


def test_the_same_view_again_is_no_question(send: Send) -> None:
    for _ in range(2):
        assert save(send, "Mine", "price_max=20") == 303


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


def test_deleting_asks_and_can_be_undone(client: FlaskClient, send: Send) -> None:
    save(send, "Mine & yours", "price_max=20&q=cable")
    (address,) = re.findall(r'href="(/views/delete[^"]*)"', client.get("/?q=cable&price_max=20").text)
    question = client.get(unescape(address))
    assert "Delete the view “Mine &amp; yours”?" in question.text
    assert "Mine &amp; yours" in client.get("/").text, "nothing is deleted by a question"
    (asked,) = forms(question.text)
    answer = send("/views/delete", asked)
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert "“Mine &amp; yours” is deleted" in page
    assert "“cable”" in page
    assert "Mine &amp; yours" not in client.get("/").text
    undo = next(form for form in forms(page) if form.get("name") == "Mine & yours")
    assert send("/views", undo).headers["Location"] == "/?q=cable&price_max=20.00"
    assert 'aria-current="page">Mine &amp; yours' in client.get("/?q=cable&price_max=20").text
    assert "is deleted" not in client.get(answer.headers["Location"]).text, "it is there again"


def test_a_view_can_be_deleted_twice(client: FlaskClient, send: Send) -> None:
    save(send, "Mine", "price_max=20")
    for _ in range(2):
        assert send("/views/delete", {"name": "Mine", "query": ""}).status_code == 303
    assert "Mine" not in client.get("/").text
    assert client.get("/views/delete?name=Mine").status_code == 400


@pytest.mark.parametrize("token", ["", "x", "Ik1pbmUi.AAAA", "Ik1pbmUi"])
def test_no_address_can_say_that_a_view_was_deleted(client: FlaskClient, token: str) -> None:
    assert "is deleted" not in client.get("/", query_string={"deleted": token}).text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 61, "At most 60 characters; this name has 61."),
        ("  ", "needs a name that can be seen"),
        ("\u200b", "needs a name that can be seen"),
        ("Mine\u202e", "a character that can’t be seen"),
        ("NEWEST", "“NEWEST” comes with the dashboard"),
    ],
)
def test_a_refused_name_stays_in_its_field_and_says_why(send: Send, name: str, said: str) -> None:
    answer = send("/views", {"name": name, "query": "price_max=20"})
    assert answer.status_code == 400
    page = unescape(answer.text)
    assert said in page
    assert f'name="name" value="{name}"' in page
    assert 'aria-invalid="true" aria-describedby="problem-name"' in page
    assert 'name="query" value="price_max=20.00"' in page


@pytest.mark.parametrize("name", ["x" * 60, "Größe", "日本", "👍🏽", "50 % off", "👨\u200d👩\u200d👧"])
def test_a_name_may_be_any_that_can_be_seen(client: FlaskClient, send: Send, name: str) -> None:
    assert save(send, name, "price_max=20") == 303
    assert name in client.get("/").text


def test_a_view_that_is_too_long_is_refused_and_not_cut(send: Send) -> None:
    categories = "&".join(f"category={10**18 + n}" for n in range(50))
    bounds = "price_min=100000&price_max=200000&profit_min=100000&rank_min=1000&rank_max=100000"
    bounds += "&rank_drops_min=1000&sold_min=1000&reviews_min=1000&offers_max=100&rating_min=4"
    written_out = f"q={'👍' * 200}&{categories}&{bounds}"  # in an address each of these is twelve characters
    assert len(written_out) < 4000
    for query in (written_out, urlencode({"q": "x" * 4000})):
        answer = send("/views", {"name": "Long", "query": query})
        assert answer.status_code == 400
        assert "at most 4000 characters" in answer.text
    assert save(send, "Many", "&".join(f"a{n}=1" for n in range(300))) == 400


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
    assert save(send, "View 7", "price_max=20") == 409
    assert send("/views", {"name": "View 7", "query": "price_max=20", "replace": "1"}).status_code == 303
