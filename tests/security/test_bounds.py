"""What a reader can make the dashboard keep or do at once is bounded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from keepa_deals.db.models import OperatorAction
from keepa_deals.web.deals import export
from keepa_deals.web.http.response_cache import MAX_BYTES, MAX_RENEWAL, OVERHEAD, Answers
from keepa_deals.web.status import actions
from tests.support.world import World

Send = Callable[..., TestResponse]


# -- exports -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/export.csv", "/export.json"])
def test_four_exports_at_once_and_the_fifth_is_told_when_to_come_again(
    client: FlaskClient, stock: Callable[..., None], path: str
) -> None:
    stock(2)
    with ExitStack() as held:
        for _ in range(export.MAX_AT_ONCE):
            under_way = held.enter_context(client.get(path, buffered=False))
            assert under_way.status_code == 200
        refused = client.get(path)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert client.get("/").status_code == 200
    assert client.get(path).status_code == 200


def test_an_export_that_is_refused_or_never_begun_keeps_no_place(
    client: FlaskClient, stock: Callable[..., None]
) -> None:
    stock(2)
    for _ in range(3 * export.MAX_AT_ONCE):
        assert client.get("/export.csv?sort=nothing").status_code == 400
        assert client.head("/export.csv").status_code == 200
        client.get("/export.csv", buffered=False).close()
    assert client.get("/export.csv").status_code == 200


# -- kept answers ------------------------------------------------------------------------------------
class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_keys_and_overhead_count_among_what_is_kept() -> None:
    kept = Answers(Clock())
    query = b"q=" + b"a" * 8000
    for number in range(3 * MAX_BYTES // (len(query) + OVERHEAD)):
        kept.put(("/", query + b"%d" % number, "token"), b"", "text/html")
    assert len(kept._kept) * (len(query) + OVERHEAD) <= MAX_BYTES


def test_an_answer_is_dropped_after_its_time_although_nobody_asks_for_it_again() -> None:
    clock = Clock()
    kept = Answers(clock)
    for number in range(1000):
        clock.now += 0.1
        kept.put(("/", b"%d" % number, "token"), b"x", "text/html")
    assert len(kept._kept) <= MAX_RENEWAL / 0.1 + 64
    assert kept._bytes == sum(one.bytes for one in kept._kept.values())


def test_what_is_refused_empties_nothing_that_is_kept(
    client: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[Answers] = []
    monkeypatch.setattr(Answers, "clear", lambda kept: emptied.append(kept))
    assert client.post("/views", data={"name": "x"}).status_code == 400
    assert client.post("/").status_code == 405
    assert emptied == []
    assert send("/views", {"name": "x"}).status_code == 303
    assert len(emptied) == 1


# -- changes -----------------------------------------------------------------------------------------
def test_a_form_in_a_loop_is_stopped(client: FlaskClient, send: Send) -> None:
    found = [send("/health/backfill", {"action": "pause"}).status_code for _ in range(62)]
    assert found == [303] * 60 + [429] * 2
    assert client.get("/").status_code == 200


def test_a_forged_form_counts_for_nobody(client: FlaskClient, send: Send) -> None:
    for _ in range(70):
        assert client.post("/health/backfill", data={"action": "pause"}).status_code == 400
    assert send("/health/backfill", {"action": "pause"}).status_code == 303


def test_the_oldest_recorded_actions_are_forgotten(
    client: FlaskClient, send: Send, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MAX_ACTIONS", 5)
    for _ in range(9):
        send("/health/backfill", {"action": "pause"})
        send("/health/run", {"job": "update_recent_deals"})
    with world.database.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(OperatorAction)) == 5
        assert connection.scalar(select(func.max(OperatorAction.id))) == 18
