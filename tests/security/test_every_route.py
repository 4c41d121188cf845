"""Every route of the dashboard by every method: what changes something wants a form of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from keepa_deals.db.models import Base
from keepa_deals.web.credentials import CredentialStore
from keepa_deals.web.services import EXTENSION
from tests.support.world import World
from tests.unit.web.auth.test_access import PASSWORD, log_in, token_on

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND")
SAFE = {"GET", "HEAD", "OPTIONS"}
EVERYTHING = {
    "password": PASSWORD,
    "name": "mine",
    "query": "sort=price",
    "job": "update_recent_deals",
    "action": "pause",
    "next": "/",
}
"""All that any form of ours says."""


def addresses(app: Flask) -> list[str]:
    """An address of each route, with values in place of its variables."""
    values: dict[str, Any] = {"domain_id": 1, "asin": "B000000000", "filename": "base.css"}
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
    verify = CredentialStore.verify

    def watched(store: CredentialStore, password: str) -> bool:
        seen.append(password)
        return verify(store, password)

    monkeypatch.setattr(CredentialStore, "verify", watched)
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
    store: CredentialStore,
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
    client: FlaskClient, store: CredentialStore, guesses: list[str]
) -> None:
    store.set_password(PASSWORD)
    for password in ("wrong", PASSWORD):
        assert client.head("/login", data={"password": password}).status_code == 200
    assert guesses == []
    assert not session_is_open(client)


def test_each_route_that_takes_a_post_takes_it_with_a_token(client: FlaskClient, sent: list[str]) -> None:
    """So that the refusals above are about the token, and not about an address that takes no form at all."""
    taken = set()
    for rule in client.application.url_map.iter_rules():
        if "POST" not in (rule.methods or ()):
            continue
        token = token_on(client.get("/health").text)
        answer = client.post(rule.rule, data={**EVERYTHING, "csrf_token": token})
        assert answer.status_code == 303, rule.rule
        taken.add(rule.rule)
    assert {"/login", "/logout", "/views", "/views/delete", "/health/run", "/health/backfill"} <= taken
