"""The page of the searches, and the choice of one on the deals page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from keepa_deals.db.models import OperatorAction, SearchOwner, SearchRow, SearchState
from keepa_deals.keepa.selection import selection_from
from keepa_deals.keepa.selection_files import SearchTerms
from keepa_deals.roles import Role
from keepa_deals.searches import registry
from tests.support.people import People
from tests.support.world import SELECTION, World
from tests.unit.web.auth.test_access import PASSWORD, log_in

Send = Callable[[str, dict[str, str]], TestResponse]
Stock = Callable[..., None]
TOYS = {
    "name": "toys",
    "weight": "8",
    "fresh_minutes": "",
    "deal_query": json.dumps({**SELECTION, "domainId": 3}),
}


@pytest.fixture
def first(world: World) -> World:
    """With the search that a deployment has from its first run on."""
    with world.database.begin() as session:
        selection = selection_from(dict(SELECTION))
        registry.add(session, "deal_selection", selection, SearchTerms(), SearchOwner.FILE, world.clock.now())
    return world


def rows(world: World) -> dict[str, SearchRow]:
    with world.database.session() as session:
        return {row.name: row for row in session.scalars(select(SearchRow))}


def banner(response: TestResponse) -> str:
    found = re.search(r'role="alert">([^<]*)<', response.text)
    return html.unescape(found[1]) if found else ""


def test_before_the_first_run_there_is_none_and_what_is_added_comes_after_the_files(
    client: FlaskClient, send: Send, world: World
) -> None:
    assert "the first run of the upserter makes one" in client.get("/searches").text
    assert send("/searches", TOYS).status_code == 303
    assert [(row.id, name, row.is_first) for name, row in rows(world).items()] == [
        (1, "deal_selection", True),
        (2, "toys", False),
    ]


def test_a_search_is_added_from_a_pasted_query_and_recorded(
    client: FlaskClient, send: Send, first: World
) -> None:
    assert send("/searches", TOYS).status_code == 303
    toys = rows(first)["toys"]
    assert (toys.domain_id, toys.weight, toys.fresh_minutes) == (3, 8, None)
    assert (toys.owner, toys.state) == (SearchOwner.DASHBOARD, SearchState.ACTIVE)
    page = client.get("/searches").text
    assert "amazon.de" in page
    assert "?search=2" in page
    with first.database.session() as session:
        done = session.scalars(select(OperatorAction)).one()
    assert (done.action, done.target) == ("add search", "toys")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"deal_query": "{"}, "not JSON"),
        ({"deal_query": ""}, "empty"),
        ({"deal_query": json.dumps({"priceTypes": [3]})}, "priceTypes is [3]"),
        ({"deal_query": json.dumps({**SELECTION, "domainId": 7})}, "domainId is 7"),
        ({"deal_query": json.dumps(dict(SELECTION))}, "'deal_selection' has amazon.com"),
        ({"weight": "11"}, "weight is 11: must be a whole number from 1 to 10"),
        ({"weight": "<b>"}, "weight is '<b>'"),
        ({"fresh_minutes": "1"}, "freshMinutes is 1"),
        ({"name": "Deal_Selection"}, "a search named 'Deal_Selection' is there"),
        ({"name": " "}, "must have 1 to 60 printable signs"),
    ],
)
@pytest.mark.usefixtures("first")
def test_what_is_wrong_is_told_in_a_line_and_what_was_typed_stays(
    send: Send, changes: dict[str, Any], problem: str
) -> None:
    refused = send("/searches", {**TOYS, **changes})
    assert refused.status_code == 400
    assert problem in banner(refused)
    assert "<b>" not in refused.text
    assert f'value="{html.escape({**TOYS, **changes}["name"])}"' in refused.text


def test_a_search_is_paused_resumed_and_removed(send: Send, first: World) -> None:
    send("/searches", TOYS)
    for action, state in (
        ("pause", SearchState.PAUSED),
        ("resume", SearchState.ACTIVE),
        ("remove", SearchState.REMOVED),
    ):
        assert send("/searches/change", {"name": "toys", "action": action}).status_code == 303
        assert rows(first)["toys"].state is state


@pytest.mark.usefixtures("first")
def test_a_files_search_is_not_removed_and_an_unknown_one_is_gone_already(send: Send) -> None:
    assert "move the file away" in banner(
        send("/searches/change", {"name": "deal_selection", "action": "remove"})
    )
    assert send("/searches/change", {"name": "toys", "action": "pause"}).status_code == 303
    assert send("/searches/change", {"name": "deal_selection", "action": "end"}).status_code == 400


def test_a_refused_search_says_so_in_keepas_words(client: FlaskClient, first: World) -> None:
    with first.database.begin() as session:
        session.get_one(SearchRow, 1).error = "Keepa: no such <category>"
    page = client.get("/searches").text
    assert "<strong>refused</strong>: Keepa: no such &lt;category&gt;" in page


def test_readers_see_the_searches_and_change_none(client: FlaskClient, store: People, first: World) -> None:
    store.add("ada", Role.ADMIN, PASSWORD)
    store.add("rita", Role.READER, PASSWORD)
    log_in(client, name="rita")
    page = client.get("/searches").text
    assert "deal_selection" in page
    token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    for address in ("/searches", "/searches/change"):
        refused = client.post(address, data={**TOYS, "action": "pause", "csrf_token": token})
        assert refused.status_code == 403
    assert set(rows(first)) == {"deal_selection"}


def test_the_deals_page_lets_choose_one_of_several(
    client: FlaskClient, send: Send, stock: Stock, first: World
) -> None:
    del first
    stock(3)
    assert 'aria-label="Searches"' not in client.get("/").text  # one is no choice
    send("/searches", TOYS)
    page = client.get("/?search=1").text
    assert re.search(r'<a href="/\?search=1" aria-current="page">deal_selection</a>', page)
    assert re.search(r'<a href="/\?search=2" >toys</a>', page)
    assert "<span>deal_selection</span>" in page  # the chip
    assert client.get("/?search=2").text.count('id="deals"') == 1
    assert "No deal matches these filters" in client.get("/?search=2").text
