"""Every route of the dashboard by every method: what changes something wants a form of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from keepa_deals.db.models import Base
from keepa_deals.people import passwords
from keepa_deals.roles import Role, Scope
from keepa_deals.web.auth import change_limits
from keepa_deals.web.services import EXTENSION
from tests.support.people import People
from tests.support.world import START, World
from tests.unit.web.auth.test_access import PASSWORD, log_in, token_on

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND")
SAFE = {"GET", "HEAD", "OPTIONS"}
EVERYTHING = {
    "password": PASSWORD,
    "name": "mine",
    "query": "sort=price",
    "deal_query": '{"priceTypes": [1], "domainId": 3}',
    "weight": "5",
    "job": "update_recent_deals",
    "action": "pause",
    "next": "/",
    "seen": "0",
    "address": "https://hooks.example/x",
    "key": "1-B000000000",
    "mark": "star",
    "category": "1-5",
    "revision": "1",
}
"""All that any form of ours says."""


def addresses(app: Flask) -> list[str]:
    """An address of each route, with values in place of its variables."""
    values: dict[str, Any] = {
        "domain_id": 1,
        "asin": "B000000000",
        "filename": "base.css",
        "number": 1,
        "token": "1-x",
    }
    with app.test_request_context():
        adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
        return sorted(
            {
                adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments}, method=method)
                for rule in app.url_map.iter_rules()
                for method in rule.methods or ()
            }
        )


@pytest.fixture
def guesses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were looked at."""
    seen: list[str] = []
    verify = passwords.is_password

    def watched(password_hash: str | None, password: str) -> bool:
        seen.append(password)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "is_password", watched)
    return seen


@pytest.fixture
def sent(client: FlaskClient) -> list[str]:
    """The jobs that were sent to their queues."""
    names: list[str] = []
    here = client.application.extensions[EXTENSION]
    object.__setattr__(here, "send", lambda runnable: names.append(runnable.job))
    return names


def state(world: World, home: Path) -> dict[str, object]:
    """All that a request could change."""
    with world.database.engine.connect() as connection:
        rows: dict[str, object] = {
            name: connection.execute(select(table)).all() for name, table in Base.metadata.tables.items()
        }
    files = {name: (home / name).read_bytes() for name in ("access.json", "session.key")}
    return {**rows, **files}


def session_is_open(client: FlaskClient) -> bool:
    return client.get("/health").status_code == 200


@pytest.mark.parametrize("logged_in", [False, True], ids=["stranger", "logged in"])
@pytest.mark.parametrize("method", METHODS)
def test_without_a_token_nothing_changes_by_any_method(
    client: FlaskClient,
    world: World,
    store: People,
    tmp_path: Path,
    guesses: list[str],
    sent: list[str],
    method: str,
    logged_in: bool,
) -> None:
    store.set_password(PASSWORD)
    if logged_in:
        assert log_in(client) == 303
    guesses.clear()
    before = state(world, tmp_path)
    for address in addresses(client.application):
        for body in ({"data": EVERYTHING}, {"json": EVERYTHING}, {"query_string": EVERYTHING}):
            answer = client.open(address, method=method, **body)  # type: ignore[arg-type]
            case = (method, address, answer.status_code)
            assert answer.status_code < 500 or address == "/readyz", case
            if method not in SAFE:
                assert answer.status_code in (400, 401, 403, 405), case
            assert not guesses, case
            answer.close()
        assert session_is_open(client) is logged_in, (method, address)
    assert state(world, tmp_path) == before
    assert sent == []


def test_a_password_in_the_body_of_a_head_opens_nothing(
    client: FlaskClient, store: People, guesses: list[str]
) -> None:
    store.set_password(PASSWORD)
    for password in ("wrong", PASSWORD):
        assert client.head("/login", data={"password": password}).status_code == 200
    assert guesses == []
    assert not session_is_open(client)


def test_each_route_that_takes_a_post_takes_it_with_a_token(
    client: FlaskClient, sent: list[str], stock: Callable[..., None]
) -> None:
    """So that the refusals above are about the token, and not about an address that takes no form at all."""
    stock(1)
    taken = set()
    for address in posts(client.application):
        if address in BY_PROGRAMS:
            continue  # of what programs send, its own tests tell
        token = token_on(client.get("/health").text)
        answer = client.post(address, data={**EVERYTHING, "csrf_token": token})
        assert answer.status_code == 303, address
        taken.add(address)
    assert {"/login", "/logout", "/views", "/views/delete", "/health/run", "/health/backfill"} <= taken


# -- every route as every role ---------------------------------------------------------------------
FOR_EVERYBODY = {
    "/login",
    "/logout",
    "/views",
    "/views/delete",
    *("/alerts", "/alerts/change", "/alerts/mute", "/channels", "/channels/change"),
    "/deals/1/B000000000/may-sell",
    "/api/deals/1/B000000000/marks",
    *("/marks", "/marks/undo", "/hidden"),
}
BY_PROGRAMS = {"/api/deals/1/B000000000/marks"}
"""They take JSON."""
RECORDED = {"/health/run", "/health/backfill", "/searches", "/searches/change"}
"""What an operator asks of the service; each is an operator action."""
FOR_OPERATORS = {*RECORDED, "/terms"}
PEOPLE = {"reader": Role.READER, "operator": Role.OPERATOR, "admin": Role.ADMIN}


def session_of(client: FlaskClient, store: People, role: str) -> FlaskClient:
    """The browser of a person with that role; an admin is there as well."""
    store.set_password(PASSWORD)
    if role != "admin":
        store.add(role, PEOPLE[role], PASSWORD)
    person = client.application.test_client()
    assert log_in(person, name=role) == 303
    return person


def posts(app: Flask) -> list[str]:
    """An address of each route that takes a form."""
    taken = [rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    return [rule.replace("<int:domain_id>", "1").replace("<asin>", "B000000000") for rule in taken]


def test_no_route_is_forgotten_here(client: FlaskClient) -> None:
    """A new one says in this table whom it is for."""
    assert set(posts(client.application)) == FOR_EVERYBODY | FOR_OPERATORS


@pytest.mark.parametrize("role", PEOPLE)
def test_every_change_is_for_those_whom_it_is_for(
    client: FlaskClient,
    store: People,
    world: World,
    tmp_path: Path,
    sent: list[str],
    stock: Callable[..., None],
    role: str,
) -> None:
    stock(1)
    person = session_of(client, store, role)
    for address in posts(client.application):
        if address == "/logout":
            continue  # the last one, below
        before = state(world, tmp_path)
        token = token_on(person.get("/health").text)
        answer = person.post(address, data={**EVERYTHING, "csrf_token": token})
        if address in FOR_OPERATORS and role == "reader":
            assert answer.status_code == 403, address
            assert "That is for operators, and reader is reader" in answer.text
            assert state(world, tmp_path) == before
        else:
            assert answer.status_code == (415 if address in BY_PROGRAMS else 303), address
    asked = state(world, tmp_path)["operator_actions"]
    assert isinstance(asked, list)
    assert len(asked) == (0 if role == "reader" else len(RECORDED))
    token = token_on(person.get("/health").text)
    assert person.post("/logout", data={"csrf_token": token}).status_code == 303


@pytest.mark.parametrize("role", PEOPLE)
def test_every_page_is_for_those_whom_it_is_for(client: FlaskClient, store: People, role: str) -> None:
    person = session_of(client, store, role)
    for address in addresses(client.application):
        answer = person.get(address)
        assert answer.status_code in (200, 303, 400, 404, 405) or address == "/readyz", address
        answer.close()


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("role", PEOPLE)
def test_a_token_changes_nothing_but_marks_whatever_its_person_may(
    client: FlaskClient, store: People, world: World, tmp_path: Path, role: str, scope: Scope
) -> None:
    store.set_password(PASSWORD)
    if role != "admin":
        store.add(role, PEOPLE[role], PASSWORD)
    bearer = {"Authorization": f"Bearer {store.add_token('t', START, owner=role, scope=scope)}"}
    before = state(world, tmp_path)
    for address in posts(client.application):
        answer = client.post(address, data=EVERYTHING, headers=bearer)
        may = scope is Scope.WRITE and address in BY_PROGRAMS
        assert answer.status_code == (415 if may else 403), address
    assert state(world, tmp_path) == before


def test_a_role_that_is_taken_away_and_a_person_who_is_removed_are_so_at_once(
    client: FlaskClient, store: People, sent: list[str]
) -> None:
    person = session_of(client, store, "operator")
    token = token_on(person.get("/health").text)
    run = {"job": "update_recent_deals", "csrf_token": token}
    assert person.post("/health/run", data=run).status_code == 303
    store.set_role("operator", Role.READER)
    assert person.post("/health/run", data=run).status_code == 403
    assert 'action="/health/run"' not in person.get("/health").text
    store.remove("operator")
    assert person.get("/health").status_code == 303  # to the log-in


def test_views_of_ones_own_are_ones_own(client: FlaskClient, store: People) -> None:
    reader, admin = session_of(client, store, "reader"), client.application.test_client()
    assert log_in(admin, name="admin") == 303

    def send(person: FlaskClient, address: str, **data: str) -> int:
        token = token_on(person.get("/health").text)
        return person.post(address, data={**data, "csrf_token": token}).status_code

    assert send(reader, "/views", name="Mine", query="price_max=20") == 303
    assert send(admin, "/views", name="Mine", query="price_max=30") == 303  # another one
    assert send(admin, "/views", name="House", query="price_max=40", shared="1") == 303
    seen = {person: client.get("/").text for person, client in (("reader", reader), ("admin", admin))}
    assert ("price_max=20.00" in seen["reader"], "price_max=20.00" in seen["admin"]) == (True, False)
    assert ("price_max=30.00" in seen["reader"], "price_max=30.00" in seen["admin"]) == (False, True)
    assert "price_max=40.00" in seen["reader"]
    assert send(reader, "/views/delete", name="House") == 403
    assert reader.get("/views/delete?name=House").status_code == 403
    assert send(reader, "/views", name="House", query="price_max=1", shared="1", replace="1") == 409
    assert send(admin, "/views/delete", name="Mine", own="1") == 303
    assert "price_max=20.00" in reader.get("/").text
    assert send(reader, "/views", name="Reader’s", query="price_max=50", shared="1") == 303
    assert send(admin, "/views/delete", name="Reader’s") == 303  # an operator may


def test_what_was_asked_is_recorded_with_a_name(client: FlaskClient, store: People, sent: list[str]) -> None:
    person = session_of(client, store, "operator")
    token = token_on(person.get("/health").text)
    person.post("/health/run", data={"job": "update_recent_deals", "csrf_token": token})
    assert "by operator" in person.get("/health").text


def test_changes_are_limited_by_person_wherever_they_sit(
    client: FlaskClient, store: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_limits, "PER_READER", "2 per hour")
    reader, admin = session_of(client, store, "reader"), client.application.test_client()
    assert log_in(admin, name="admin") == 303

    def save(person: FlaskClient, address: str) -> int:
        person.environ_base["REMOTE_ADDR"] = address
        token = token_on(person.get("/health").text)
        return person.post("/views", data={"name": "a", "query": "", "csrf_token": token}).status_code

    assert [save(reader, f"192.0.2.{n}") for n in range(3)] == [303, 303, 429]
    assert save(admin, "192.0.2.1") == 303
