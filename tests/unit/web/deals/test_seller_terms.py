"""The page of the terms: what people set holds for every deal, and who did it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text

from keepa_deals.db import seller_terms
from keepa_deals.db.models import TermChange
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.people.person import Person
from keepa_deals.roles import Role
from keepa_deals.seller_terms import SELLER_TERMS
from keepa_deals.web.deals import seller_terms as page
from keepa_deals.web.services import EXTENSION
from tests.support.world import World

Stock = Callable[..., None]


def form(client: FlaskClient, **changed: str) -> dict[str, str]:
    """The form as it stands, with fields filled in."""
    shown = client.get("/terms").text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown))
    fields = dict(re.findall(r'<input id="term-\w+" name="(\w+)" value="([^"]*)"', shown))
    for name, options in re.findall(r'<select id="term-\w+" name="(\w+)"[^>]*>(.*?)</select>', shown):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    assert set(fields) == set(SELLER_TERMS)
    return {name: unescape(value) for name, value in {**hidden, **fields, **changed}.items()}


def save(client: FlaskClient, **changed: str) -> Any:
    return client.post("/terms", data=form(client, **changed), headers={"Origin": "http://localhost"})


def profit(client: FlaskClient) -> list[int | None]:
    """By the list, by the API's economics and by the buying list's calculation."""
    listed = client.get("/api/deals").get_json()["deals"][0]["profit"]
    asked = client.get("/api/deals/1/B000000000/economics").get_json()["profit"]
    return [listed, asked]


def test_a_changed_term_prices_every_deal_anew_and_says_who_did_it(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1, enrich=True)
    maintenance.run(world.context)
    assert profit(client) == [1200, 1200]
    answer = save(client, prep_cost="1.50", buy_tax_percent="10", sell_price="average_30")
    assert answer.status_code == 303
    maintenance.run(world.context)
    before = client.get("/api/deals/1/B000000000/economics").get_json()
    terms = {term["name"]: term for term in before["terms"]}
    assert (terms["prep"]["effect"], terms["buy_tax"]["effect"]) == (-150, -100)
    assert profit(client) == [before["profit"]] * 2
    shown = client.get("/terms?saved=3").text
    assert "3 terms changed." in shown
    told = [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in re.findall(r"<li>.*?</li>", shown)]
    assert "2026-03-01 12:00 127.0.0.1: Preparation of a unit, 1.50" in told
    assert "2026-03-01 12:00 127.0.0.1: Sale price, average of 30 days" in told
    assert len(told) == 3


def test_an_emptied_field_gives_the_term_back_to_the_deployment(
    client: FlaskClient, stock: Stock, world: World
) -> None:
    stock(1, enrich=True)
    save(client, prep_cost="1.50", vat_on_buying="0")
    assert form(client)["vat_on_buying"] == "0"
    assert save(client, prep_cost="").status_code == 303
    with world.database.session() as session:
        assert seller_terms.terms_in_force(session.connection()) == {"vat_on_buying": False}
        assert session.scalar(select(func.count()).select_from(TermChange)) == 3
    assert "as the deployment has it" in client.get("/terms").text
    assert save(client).headers["Location"].endswith("saved=0")


@pytest.mark.parametrize(
    ("name", "typed", "problem"),
    [
        ("prep_cost", "1.2.3", "1.2.3"),
        ("prep_cost", "-1", "outside of what this term may be"),
        ("returns_percent", "101", "outside of what this term may be"),
        ("buy_quantity", "0", "outside of what this term may be"),
        ("sell_price", "guess", "outside of what this term may be"),
    ],
)
def test_what_is_no_value_is_said_at_its_field_and_nothing_is_saved(
    client: FlaskClient, stock: Stock, world: World, name: str, typed: str, problem: str
) -> None:
    stock(1)
    answer = save(client, **{name: typed, "shipping_cost": "2"})
    assert answer.status_code == 400
    found = re.search(rf'id="problem-{name}" >([^<]*)<', answer.text)
    assert found
    assert problem in unescape(found[1])
    assert 'name="shipping_cost" value="2"' in answer.text
    with world.database.session() as session:
        assert seller_terms.terms_in_force(session.connection()) == {}


def test_a_form_of_before_anothers_change_saves_nothing(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    old = form(client, prep_cost="9")
    save(client, shipping_cost="2")
    answer = client.post("/terms", data=old, headers={"Origin": "http://localhost"})
    assert answer.status_code == 409
    assert "changed meanwhile" in answer.text
    assert 'name="prep_cost" value=""' in answer.text
    assert 'name="shipping_cost" value="2.00"' in answer.text


def test_who_changed_a_term_is_told_by_name(
    client: FlaskClient, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(1)
    monkeypatch.setattr(page, "current_person", lambda: Person(7, "Ada", Role.OPERATOR))
    assert save(client, prep_cost="1").status_code == 303
    assert "changed by Ada" in client.get("/terms").text


def test_a_value_that_is_none_leaves_the_setting_in_force(
    client: FlaskClient, stock: Stock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    stock(1, enrich=True)
    insert = "INSERT INTO term_changes (at, actor, name, value) VALUES (:at, 'x', :name, :value)"
    at = world.clock.now().isoformat(" ").removesuffix("+00:00") + ".000000"
    with world.database.begin() as session:
        for name, value in (("prep_cost", '"much"'), ("shipping_cost", "{"), ("shoe_size", "44")):
            session.execute(text(insert), {"at": at, "name": name, "value": value})
    assert profit(client)[1] == 1200
    assert "prep_cost has no value of it" in caplog.text
    assert client.get("/terms").status_code == 200


def test_old_changes_are_forgotten_but_never_those_in_force(
    client: FlaskClient, stock: Stock, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seller_terms, "MAX_CHANGES", 5)
    settings = client.application.extensions[EXTENSION].settings
    with world.database.begin() as session:
        seller_terms.record(session, world.clock.now(), "Ada", {"prep_cost": 7})
        for cost in range(1, 20):
            seller_terms.record(session, world.clock.now(), "Ada", {"shipping_cost": cost})
        connection = session.connection()
        assert seller_terms.terms_in_force(connection) == {"prep_cost": 7, "shipping_cost": 19}
        assert len(seller_terms.latest_changes(connection, 100)) == 6
        costs = seller_terms.pricing(connection, settings, world.clock.now()).costs
    assert (costs.prep, costs.shipping) == (7, 19)
