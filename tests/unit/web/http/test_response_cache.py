"""Answers kept for a second, and what is put into them for each reader."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from keepa_deals.web.http import response_cache
from tests.support.people import People
from tests.support.world import START
from tests.unit.web.auth.test_access import PASSWORD, log_in, token_on

Stock = Callable[..., None]


@pytest.fixture
def keeping(client: FlaskClient) -> FlaskClient:
    client.application.config[response_cache.SECONDS] = 3600
    return client


def test_an_answer_is_kept_for_its_view_alone(keeping: FlaskClient, stock: Stock) -> None:
    stock(1)
    first = keeping.get("/api/deals").json
    stock(3)
    assert keeping.get("/api/deals").json == first
    assert len((keeping.get("/api/deals?limit=10").json or {})["deals"]) == 3


def test_errors_are_not_kept(keeping: FlaskClient) -> None:
    assert keeping.get("/api/deals?limit=0").status_code == 400
    assert keeping.get("/api/deals?limit=0").status_code == 400


def test_every_reader_gets_a_token_of_his_own_in_a_kept_page(
    keeping: FlaskClient, tmp_path: object, stock: Stock, store: People
) -> None:
    stock(1)
    store.set_password(PASSWORD)
    other = keeping.application.test_client()
    for client in (keeping, other):
        assert log_in(client) == 303
    pages = [client.get("/").text for client in (keeping, other, keeping)]
    assert all(response_cache.PLACEHOLDER not in page for page in pages)
    assert other.post("/logout", data={"csrf_token": token_on(pages[0])}).status_code == 400
    assert other.post("/logout", data={"csrf_token": token_on(pages[1])}).status_code == 303
    assert keeping.post("/logout", data={"csrf_token": token_on(pages[2])}).status_code == 303


def test_what_was_kept_for_a_reader_is_not_given_to_a_stranger(
    keeping: FlaskClient, stock: Stock, store: People
) -> None:
    stock(1)
    store.set_password(PASSWORD)
    bearer = {"Authorization": f"Bearer {store.add_token('script', START)}"}
    assert keeping.get("/api/deals", headers=bearer).status_code == 200
    assert keeping.get("/api/deals").status_code == 401


def test_a_change_shows_at_once(keeping: FlaskClient, stock: Stock, store: People) -> None:
    store.set_password(PASSWORD)
    log_in(keeping)
    before = keeping.get("/").text
    stock(1)
    assert "B000000000" not in before
    keeping.post("/login", data={"csrf_token": token_on(before)})
    assert "B000000000" in keeping.get("/").text


def test_while_one_renews_an_answer_the_others_get_the_old_one() -> None:
    now = 0.0
    kept = response_cache.Answers(lambda: now)
    key = ("/", b"", "anybody")
    kept.put(key, b"old", "text/html")
    now = 1.5
    assert kept.get(key, 1.0) is None
    other = kept.get(key, 1.0)
    assert other is not None
    assert other.body == b"old"
    now = response_cache.MAX_RENEWAL + 1
    assert kept.get(key, 1.0) is None, "whoever renews it has been at it for too long"
    kept.give_up(key)
    assert kept.get(key, 1.0) is None, "a failure is tried anew at once"


def test_no_more_is_kept_than_there_is_room_for() -> None:
    kept = response_cache.Answers(lambda: 0.0)
    for number in range(40):
        kept.put((str(number), b"", ""), b"x" * (1 << 20), "text/html")
    assert kept.get(("0", b"", ""), 1.0) is None
    assert kept.get(("39", b"", ""), 1.0) is not None


@pytest.mark.parametrize("path", ["/", "/export.csv", "/export.json", "/feed.atom"])
def test_pages_files_and_feeds_are_compressed(client: FlaskClient, stock: Stock, path: str) -> None:
    stock(40)
    answer = client.get(path, headers={"Accept-Encoding": "br"})
    assert answer.headers["Content-Encoding"] == "br"
    assert len(answer.data) < len(client.get(path).data) / 3


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_answers_are_compressed_and_still_conditional(
    client: FlaskClient, stock: Stock, encoding: str
) -> None:
    stock(40)
    plain = client.get("/api/deals")
    small = client.get("/api/deals", headers={"Accept-Encoding": encoding})
    assert small.headers["Content-Encoding"] == encoding
    assert "Accept-Encoding" in small.headers["Vary"]
    assert len(small.data) < len(plain.data) / 5
    again = {"Accept-Encoding": encoding, "If-None-Match": small.headers["ETag"]}
    assert client.get("/api/deals", headers=again).status_code == 304
    assert client.get("/api/deals", headers={"If-None-Match": plain.headers["ETag"]}).status_code == 304
