"""Whatever a table holds, readers see the deals that can be read, and are told of the others."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from keepa_deals.db import soundness
from keepa_deals.deals.price_history import MAX_VALUE, Past, pack, unpack
from keepa_deals.query.left_out import TTL_SECONDS
from keepa_deals.query.sorts import SORTS
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION, Services
from tests.support.deal_rows import fill_deals
from tests.support.world import World, make_world

DEALS = 60
HUGE = 2**40
ANY_DATABASE = {
    "an infinite moment": "deal_created_at = {infinity}",
    "a moment before all": "found_at = {minus_infinity}",
    "a moment of another age": "last_seen_at = {far}",
    "an end in another age": "ended_at = {far}, ended_reason = 'merged'",
    "a reason that is none": "ended_at = changed_at, ended_reason = 'tired'",
    "an ASIN in lower case": "asin = 'b00000000x'",
    "an ASIN of eleven characters": "asin = 'B0000000123'",
    "an empty ASIN": "asin = ''",
    "a domain that is none": "domain_id = 999",
    "a domain below all": "domain_id = -2147483648",
}
SQLITE = {
    **ANY_DATABASE,
    "a word for a price": "price = 'abc'",
    "a list for a rank": "sales_rank = '[1, 2]'",
    "an object for a category": "root_category = '{{}}'",
    "a price beyond 32 bits": f"price = {HUGE}",
    "a rank beyond 64 bits": "sales_rank = 1e30",
    "bytes for a number": "monthly_sold = x'00ff'",
    "bytes for a title": "title = x'00ff'",
    "bytes for a category's name": "category_name = x'ff'",
    "a word for a moment": "changed_at = 'never'",
    "an empty moment": "last_seen_at = ''",
    "a number for a moment": "first_seen_at = 12",
    "a day that its month has not": "found_at = '2026-02-31 00:00:00.000000'",
    "a moment of a column that is not copied": "keepa_updated_at = 'x'",
    "a fraction for a profit": "profit = 1.5",
    "an ASIN of bytes": "asin = x'ff'",
}
MOMENTS = {
    "sqlite": {
        "infinity": "'infinity'",
        "minus_infinity": "'-infinity'",
        "far": "'200000-01-01 00:00:00.000000'",
    },
    "postgresql": {
        "infinity": "'infinity'",
        "minus_infinity": "'-infinity'",
        "far": "'200000-01-01T00:00:00Z'",
    },
}
READABLE = {
    "sqlite": ["title = 'a' || char(0) || 'b'", "is_lowest = 7"],
    "postgresql": ["title = E'\\x01\\x02'", "title = repeat('long ', 1000)"],
}
"""Odd, but no reason to leave a deal out."""


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dsn(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if dialect == "postgresql":
        return str(request.getfixturevalue("postgres_server").empty_dsn())
    return f"sqlite:///{tmp_path / 'deals.db'}"


@pytest.fixture
def world(dsn: str) -> Iterator[World]:
    world = make_world(dsn)
    fill_deals(world.database.engine, DEALS, world.clock.now(), ended=0)
    with world.database.begin() as session:
        session.execute(text("UPDATE deals SET last_seen_at = :now"), {"now": stored(world, dsn)})
    yield world
    world.database.close()


def stored(world: World, dsn: str) -> Any:
    now = world.clock.now()
    return now if dsn.startswith("postgresql") else now.strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture
def client(world: World, dsn: str, tmp_path: Path) -> Iterator[FlaskClient]:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key="k" * 64,  # type: ignore[arg-type]
        keepa_deals_home=tmp_path,
        database_url=dsn,  # type: ignore[arg-type]
        redis_url=f"unix://{tmp_path}/none.sock",  # type: ignore[arg-type]
    )
    app = create_app(settings, clock=world.clock)
    yield app.test_client()
    app.extensions[EXTENSION].engine.dispose()


def services(client: FlaskClient) -> Services:
    found: Services = client.application.extensions[EXTENSION]
    return found


def poison(world: World, dialect: str) -> int:
    """Give each of the first rows a value that it can't have; how many these are."""
    changes = SQLITE if dialect == "sqlite" else ANY_DATABASE
    with world.database.begin() as session:
        for number, change in enumerate(changes.values()):
            change = change.format(**MOMENTS[dialect])
            session.execute(text(f"UPDATE deals SET {change} WHERE asin = 'B{number:09d}'"))
        for number, change in enumerate(READABLE[dialect], start=DEALS - 5):
            session.connection().exec_driver_sql(f"UPDATE deals SET {change} WHERE asin = 'B{number:09d}'")
    return len(changes)


def ask(client: FlaskClient, address: str) -> TestResponse:
    answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.text[:500]}"
    return answer


def sound_asins(bad: int) -> set[str]:
    return {f"B{number:09d}" for number in range(bad, DEALS)}


@pytest.mark.parametrize("by_copy", [False, True], ids=["database", "copy"])
def test_readers_get_every_deal_that_can_be_read(
    client: FlaskClient, world: World, dialect: str, by_copy: bool
) -> None:
    bad = poison(world, dialect)
    if by_copy:
        services(client).column_cache.step()
    ask(client, "/?status=all&limit=200")  # whoever comes first meets them
    if by_copy:
        services(client).column_cache.step()  # two are bad by columns that the copy has not
    for sort in SORTS:
        body: Any = ask(client, f"/api/deals?status=all&limit=200&sort={sort}").json
        assert {deal["asin"] for deal in body["deals"]} == sound_asins(bad), sort
        assert body["total"] == DEALS - bad
    for query in ("unknown=1&price_min=1", "category=3&sort=title", "found_within=100", "q=cable&status=all"):
        for page in ("/", "/api/deals", "/feed.atom", "/live"):
            ask(client, f"{page}?{query}")
    assert (
        services(client).column_cache.left_out.report().count >= bad - 1
    )  # one of bytes has no name in text


def test_the_first_reader_of_a_page_full_of_them_gets_a_page(
    client: FlaskClient, world: World, dialect: str
) -> None:
    bad = poison(world, dialect)
    body: Any = ask(client, "/api/deals?status=all&limit=5&sort=title").json
    found, rounds = {deal["asin"] for deal in body["deals"]}, 0
    while body["next"] and (rounds := rounds + 1) < DEALS:
        body = ask(client, f"/api/deals?status=all&limit=5&sort=title&cursor={body['next']}").json
        found |= {deal["asin"] for deal in body["deals"]}
    assert found == sound_asins(bad)


def test_files_and_feeds_hold_what_can_be_read(client: FlaskClient, world: World, dialect: str) -> None:
    bad = poison(world, dialect)
    lines = list(csv.DictReader(io.StringIO(ask(client, "/export.csv?status=all").get_data(as_text=True))))
    assert len(lines) == DEALS - bad
    deals = json.loads(ask(client, "/export.json?status=all").data)["deals"]
    assert {deal["asin"] for deal in deals} == sound_asins(bad)
    entries = Xml.fromstring(ask(client, "/feed.atom?status=all&limit=200").data)
    assert len(entries.findall("{http://www.w3.org/2005/Atom}entry")) == DEALS - bad


def test_the_page_of_a_deal_that_cannot_be_read_says_why(
    client: FlaskClient, world: World, dialect: str
) -> None:
    poison(world, dialect)
    for number in range(DEALS):
        for address in (f"/deals/1/B{number:09d}", f"/api/deals/1/B{number:09d}"):
            assert client.get(address).status_code in (200, 404)
    page = client.get("/deals/1/B000000002")
    assert page.status_code == 404
    assert "last_seen_at" in page.text
    assert "can&#39;t be read" in page.text


def test_they_are_counted_and_named(
    client: FlaskClient, world: World, dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = poison(world, dialect)
    services(client).column_cache.step()
    ask(client, "/?status=all&limit=200")
    services(client).health.forget()
    status: Any = ask(client, "/api/status").json
    assert status["unreadable"]["deals"] >= bad - 1
    assert any("no moment of this century" in example for example in status["unreadable"]["examples"])
    assert "can't be read and are left out" in caplog.text
    assert (
        f"keepa_deals_unreadable_deals {float(status['unreadable']['deals'])}" in ask(client, "/metrics").text
    )
    assert "can’t be read" in ask(client, "/health").text
    with world.database.engine.connect() as connection:
        found = soundness.find(connection)
    assert found.count >= bad - 1  # a day that its month has not is seen by who reads it
    assert len(found.examples) == soundness.MAX_EXAMPLES


def test_one_bad_row_does_not_take_the_copy_from_anybody(
    client: FlaskClient, world: World, dialect: str
) -> None:
    cache = services(client).column_cache
    cache.step()
    bad = poison(world, dialect)
    with world.database.begin() as session:  # as if a worker had just written them
        for change in ("last_seen_at", "changed_at"):
            session.execute(text(f"UPDATE deals SET {change} = found_at WHERE asin = 'B{bad:09d}'"))
        session.execute(
            text(
                "INSERT INTO deal_events (domain_id, asin, at, kind, reason) "
                "SELECT domain_id, asin, found_at, 'ended', 'out_of_stock' FROM deals"
            )
        )
    cache.step()
    assert cache.state().is_complete
    world.clock.pass_time(timedelta(hours=3))
    cache.step()  # everything is copied anew
    assert cache.state().is_complete
    ask(client, "/?status=all&limit=200")
    cache.step()  # without those that are bad by columns which it has not
    assert cache.state().deals == DEALS - bad


def test_what_was_mended_comes_back(client: FlaskClient, world: World, dialect: str, dsn: str) -> None:
    poison(world, dialect)
    ask(client, "/?status=all&limit=200")
    with world.database.begin() as session:
        session.execute(
            text("UPDATE deals SET last_seen_at = :now WHERE asin = 'B000000002'"),
            {"now": stored(world, dsn)},
        )
    ask(client, "/deals/1/B000000002")
    world.clock.pass_time(timedelta(seconds=TTL_SECONDS + 1))
    asins = [deal["asin"] for deal in ask(client, "/api/deals?status=all&limit=200").json["deals"]]  # type: ignore[index]
    assert "B000000002" in asins


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"none",
        pack(Past(((1, 2),), ()))[:-3],
        pack(Past(((1, 2**40),), ())),
        pack(Past(((2**40, 2),), ())),
        pack(Past(((-5, 2),), ())),
        *(
            zlib.compress(form % value)
            for value in (b"[1,2]", b'"2"', b"1.5")
            for form in (b"[[[1],[%s]],[[],[]]]", b'{"price":[[1],[%s]],"rank":[[],[]],"sales":[]}')
        ),
    ],
)
def test_a_history_that_is_none_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever is wrong with it
        unpack(packed)


def test_a_deal_page_stands_without_a_history_that_cannot_be_read(
    client: FlaskClient, world: World, dialect: str
) -> None:
    key = "1, 'B000000001'"
    moment = MOMENTS[dialect]["infinity"]
    with world.database.begin() as session:
        packed = pack(Past(((29_000_000, MAX_VALUE + 1),), ()))
        session.execute(
            text(
                "INSERT INTO deal_pasts (domain_id, asin, read_at, price_type, packed) "
                f"VALUES ({key}, {moment}, 0, :packed)"
            ),
            {"packed": packed},
        )
        session.execute(
            text(
                "INSERT INTO deal_points (domain_id, asin, at, price, price_avg_90, sales_rank) "
                f"VALUES ({key}, {moment}, 5, 5, 5)"
            )
        )
        session.execute(
            text(
                "INSERT INTO deal_events (domain_id, asin, at, kind, reason) "
                f"VALUES ({key}, {MOMENTS[dialect]['far']}, 'melted', 'heat')"
            )
        )
        session.execute(
            text(
                "INSERT INTO saved_views (name, query, created_at) "
                f"VALUES ('Broken', 'sort=nothing&limit=%00', {moment})"
            )
        )
        session.execute(
            text(f"INSERT INTO samples (at, live, stale, ended) VALUES ({MOMENTS[dialect]['far']}, 1, 1, 1)")
        )
    for address in ("/deals/1/B000000001", "/api/deals/1/B000000001", "/", "/health", "/api/status"):
        ask(client, address)
    assert "Broken" not in ask(client, "/").text
