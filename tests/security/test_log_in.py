"""Guessing the password, and shutting others out by guessing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from limits.storage import MemoryStorage

from keepa_deals.people import passwords
from keepa_deals.web.auth.rate_limit import networks
from keepa_deals.web.http.throttle import Rule, Throttle, ThrottledError
from tests.support.people import People
from tests.support.world import World
from tests.unit.web.auth.test_access import PASSWORD, token_on

KNOWN = "keepa_deals_8000_known"


@pytest.fixture
def guarded(client: FlaskClient, store: People, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The dashboard with a password that costs nothing to look at: these tests are about the counting."""
    store.set_password(PASSWORD)
    monkeypatch.setattr(passwords, "is_password", lambda _hash, password: password == PASSWORD)
    return client


def browser(app: Flask, address: str) -> FlaskClient:
    reader = app.test_client()
    reader.environ_base["REMOTE_ADDR"] = address
    return reader


def log_in(reader: FlaskClient, password: str = "wrong") -> int:
    token = token_on(reader.get("/login").text)
    return reader.post("/login", data={"password": password, "csrf_token": token}).status_code


def test_of_thirty_tries_at_once_five_pass(guarded: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    everybody_counted = threading.Barrier(5)

    def slow(_hash: str | None, password: str) -> bool:
        looked_at.append(password)
        everybody_counted.wait(timeout=30)  # a sixth would break it: five are under way at once
        return False

    monkeypatch.setattr(passwords, "is_password", slow)
    readers = [browser(guarded.application, "192.0.2.1") for _ in range(30)]
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(log_in, readers))
    assert sorted(answers) == [401] * 5 + [429] * 25
    assert len(looked_at) == 5


def test_the_right_password_counts_as_no_try(guarded: FlaskClient) -> None:
    for _ in range(40):
        assert log_in(browser(guarded.application, "192.0.2.1"), PASSWORD) == 303
    stranger = browser(guarded.application, "192.0.2.1")
    assert [log_in(stranger) for _ in range(6)] == [401] * 5 + [429]


def test_a_refused_try_is_told_when_the_next_one_is_looked_at(guarded: FlaskClient) -> None:
    stranger = browser(guarded.application, "192.0.2.1")
    token = token_on(stranger.get("/login").text)
    for _ in range(6):
        answer = stranger.post("/login", data={"password": "wrong", "csrf_token": token})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "5 per 1 minute" in answer.text


# -- shutting others out ---------------------------------------------------------------------------
def exhaust(app: Flask, addresses: list[str]) -> list[int]:
    return [log_in(browser(app, address)) for address in addresses]


def test_one_site_with_all_its_networks_shuts_nobody_out(guarded: FlaskClient) -> None:
    answers = exhaust(guarded.application, [f"2001:db8:7:{number:x}::1" for number in range(320)])
    assert answers.count(401) == 10  # of one minute; 60 of one hour
    assert log_in(browser(guarded.application, "2001:db8:8::1"), PASSWORD) == 303
    assert log_in(browser(guarded.application, "192.0.2.1"), PASSWORD) == 303


def test_a_botnet_shuts_out_only_browsers_that_were_never_logged_in(
    guarded: FlaskClient, world: World
) -> None:
    owner = browser(guarded.application, "192.0.2.1")
    assert log_in(owner, PASSWORD) == 303
    owner.post("/logout", data={"csrf_token": token_on(owner.get("/health").text)})
    world.clock.pass_time(timedelta(days=300))
    answers = exhaust(guarded.application, [f"10.0.{number // 250}.{number % 250}" for number in range(305)])
    assert answers == [401] * 300 + [429] * 5
    assert log_in(browser(guarded.application, "192.0.2.2"), PASSWORD) == 429
    assert log_in(owner, PASSWORD) == 303


def test_a_stranger_behind_the_same_address_does_not_shut_out_a_known_browser(guarded: FlaskClient) -> None:
    owner = browser(guarded.application, "192.0.2.1")
    assert log_in(owner, PASSWORD) == 303
    owner.post("/logout", data={"csrf_token": token_on(owner.get("/health").text)})
    stranger = browser(guarded.application, "192.0.2.1")
    assert [log_in(stranger) for _ in range(6)][-1] == 429
    assert log_in(owner, PASSWORD) == 303


def test_a_known_browser_guesses_no_faster_than_a_stranger(guarded: FlaskClient) -> None:
    owner = browser(guarded.application, "192.0.2.1")
    assert log_in(owner, PASSWORD) == 303
    kept = owner.get_cookie(KNOWN, path="/login")
    assert kept is not None
    answers = []
    for number in range(20):  # a copy of the cookie goes with its count, wherever it is sent from
        thief = browser(guarded.application, f"10.0.0.{number}")
        thief.set_cookie(KNOWN, kept.value, path="/login")
        answers.append(log_in(thief))
    assert answers == [401] * 5 + [429] * 15


@pytest.mark.parametrize("value", ["", "x", "x.y.z", "[]", "WyJhIiwxXQ.x", "\xff"])
def test_a_cookie_that_somebody_made_makes_nobody_known(guarded: FlaskClient, value: str) -> None:
    stranger = browser(guarded.application, "192.0.2.1")
    stranger.set_cookie(KNOWN, value, path="/login")
    assert [log_in(stranger) for _ in range(6)] == [401] * 5 + [429]


def test_the_cookie_of_a_known_browser_opens_nothing_and_ends(guarded: FlaskClient, world: World) -> None:
    owner = browser(guarded.application, "192.0.2.1")
    assert log_in(owner, PASSWORD) == 303
    kept = owner.get_cookie(KNOWN, path="/login")
    assert kept is not None
    assert kept.http_only
    assert kept.same_site == "Lax"
    thief = browser(guarded.application, "10.0.0.1")
    thief.set_cookie(KNOWN, kept.value)
    assert thief.get("/").status_code == 303
    world.clock.pass_time(timedelta(days=401))
    exhaust(guarded.application, ["192.0.2.1"] * 6)
    assert log_in(owner, PASSWORD) == 429


@pytest.mark.parametrize(
    ("address", "keys"),
    [
        ("192.0.2.1", ["192.0.2.1"]),
        ("::ffff:192.0.2.1", ["192.0.2.1"]),
        ("2001:db8:1:2:3:4:5:6", ["2001:db8:1:2::/64", "2001:db8:1::/48"]),
        ("fe80::1%eth0", ["fe80::/64", "fe80::/48"]),
        ("", ["unknown"]),
        (None, ["unknown"]),
        ("unix:", ["unknown"]),
    ],
)
def test_an_address_is_counted_with_what_one_reader_owns(address: str | None, keys: list[str]) -> None:
    assert [rule.key[0] for rule in networks(address)] == keys


# -- the counting itself -----------------------------------------------------------------------------
def test_what_one_rule_refuses_is_counted_under_none() -> None:
    throttle = Throttle(MemoryStorage())
    tight, wide = Rule("1 per hour", ("tight",)), Rule("2 per hour", ("wide",))
    throttle.take("things", [wide, tight])
    for _ in range(5):
        with pytest.raises(ThrottledError):
            throttle.take("things", [wide, tight])
    throttle.take("things", [wide])


def test_a_hundred_threads_take_exactly_what_there_is() -> None:
    throttle = Throttle()
    rule = Rule("10 per hour", ("all",))

    def take(_: int) -> bool:
        try:
            throttle.take("things", [rule])
        except ThrottledError:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(take, range(100))) == 10
