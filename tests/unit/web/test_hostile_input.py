"""Titles, parameters and headers from strangers: nothing runs, nothing leaks, nothing is a 500."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import islice, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from flask.testing import FlaskClient

from keepa_deals.query.view import VIEW_PARAMETERS
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.nightly import amount
from tests.support.world import World

Stock = Callable[..., None]

TITLES = (
    *("<script>alert(1)</script>", "</title><script>alert(1)</script>", "<img src=x onerror=alert(1)>"),
    *(
        '" onmouseover="alert(1)',
        "' autofocus onfocus='alert(1)",
        "`onload=alert(1)`",
        "<svg/onload=alert(1)>",
    ),
    *(
        "javascript:alert(1)",
        "{{ 7*7 }}",
        "{% raw %}",
        "${7*7}",
        "%s%n%(x)s",
        "<!--",
        "]]>",
        "&lt;script&gt;",
    ),
    *(
        "</textarea></option></select>",
        "<base href=//evil.example>",
        "\u202egnp.exe",
        "a\x00b",
        "\U0001f600",
    ),
    *(
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "\u2028alert(1)\u2029",
        "A" * 5000,
        "\ufeff",
        "'; DROP TABLE deals; --",
    ),
)
VALUES = (
    *TITLES[:18],
    *("", " ", "0", "-1", "1e400", "NaN", "9" * 400, "٣", "0x10", "../../etc/passwd", "a\r\nSet-Cookie: a=b"),
    *("%", "_", "\\", "/", "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"), "1,2", "[]", "null"),
)
PAGES = ("/", "/?layout=cards", "/?status=all&sort=title", "/deals/1/B000000000", "/live?keys=1-B000000000")
SECRETS = ("k" * 64, "s3cret-redis", "s3cret-db", "access.json", "session.key", "Traceback")


class Markup(HTMLParser):
    """What of a page could run or lead away."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.dangers: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            leads = name in ("href", "src", "action", "formaction") and (value or "").strip().lower()
            if (
                name.startswith("on")
                or name == "style"
                or (leads and leads.startswith(("javascript", "data")))
            ):
                self.dangers.append(f"<{tag} {name}={value}>")
        if tag == "script" and not dict(attrs).get("src", "").startswith("/static/"):
            self.dangers.append("<script> of nobody's")


@pytest.fixture(scope="module")
def elements() -> dict[str, set[str]]:
    """Of each page with a harmless title, read once."""
    return {}


@pytest.mark.parametrize("title", TITLES, ids=range(len(TITLES)))
def test_a_title_is_text_wherever_it_is_shown(
    client: FlaskClient, stock: Stock, title: str, elements: dict[str, set[str]]
) -> None:
    stock(1, title="harmless")
    elements.update({page: set(Markup(client.get(page).text).tags) for page in PAGES if page not in elements})
    stock(1, title=title, price=999)
    for page in PAGES:
        answer = client.get(page)
        assert answer.status_code == 200
        found = Markup(answer.text)
        assert found.dangers == []
        assert set(found.tags) == elements[page], "the title made an element"
    assert json.loads(client.get("/export.json").data)["deals"][0]["asin"] == "B000000000"
    assert (client.get("/api/deals").json or {})["deals"][0]["title"] == title
    Xml.fromstring(client.get("/feed.atom").data)
    (line,) = csv.DictReader(io.StringIO(client.get("/export.csv").data.decode("utf-8-sig")))
    assert not line["title"].startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("path", ["/", "/api/deals", "/live", "/export.csv"])
def test_a_parameter_is_answered_or_refused_by_name(client: FlaskClient, stock: Stock, path: str) -> None:
    stock(1)
    names = (*VIEW_PARAMETERS, "cursor", "keys", "since", "hours", "next", "price", "csrf_token")
    every = amount(5, at_night=1)  # by day each name meets some values, and each value some names
    for name, value in islice(product(names, VALUES), 0, None, every):
        answer = client.get(path, query_string={name: value})
        assert answer.status_code in (200, 400), (name, value)
        assert "\n" not in "".join(answer.headers.values())
        assert "evil" not in (answer.location or "")
        if answer.content_type.startswith("text/html"):
            assert Markup(answer.text).dangers == [], (name, value)
        elif answer.status_code == 400 and answer.json:
            assert answer.json["error"]["parameter"] in (name, "cursor")


def token(*parts: object) -> str:
    """A cursor as somebody makes it who knows how they are made."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


FORGED: tuple[tuple[Any, ...], ...] = (
    ("price", "asc", 1001, 1, "x", 0),
    ("price", "asc", 1001, 1, "b000000000", 0),
    ("price", "asc", 1001, 1, "B0000000000", 0),
    ("price", "asc", 2**63, 1, "B000000000", 0),
    ("price", "asc", True, 1, "B000000000", 0),
    ("found", "desc", "0001-01-01T00:00:00+14:00", 1, "B000000000", 0),
    ("found", "desc", "9999-12-31T23:59:59-14:00", 1, "B000000000", 0),
    ("found", "desc", "2026-03-01T12:00:00", 1, "B000000000", 0),
    ("found", "desc", 1, 1, "B000000000", 0),
    ("title", "asc", "\ud800", 1, "B000000000", 0),
    ("title", "asc", "a\x00", 1, "B000000000", 0),
    ("title", "asc", "a", 100, "B000000000", 0),
    ("title", "asc", "a", 1, "B000000000", 2),
    ("title", "asc", "a", 1, "B000000000", []),
    ("title", "asc", ["a"], 1, "B000000000", 0),
    ([], "asc", "a", 1, "B000000000", 0),
    ("title", [], "a", 1, "B000000000", 0),
)


@pytest.mark.parametrize("copied", [False, True])
def test_a_cursor_that_somebody_made_is_refused_by_name(
    client: FlaskClient, stock: Stock, copied: bool
) -> None:
    stock(3)
    if copied:
        client.application.extensions[EXTENSION].column_cache.step()
    for parts in FORGED:
        query = {"sort": parts[0], "order": parts[1], "cursor": token(*parts)}
        if not isinstance(parts[0], str) or not isinstance(parts[1], str):
            query |= {"sort": "title", "order": "asc"}
        answer = client.get("/api/deals", query_string=query)
        assert answer.status_code == 400, parts
        assert (answer.json or {})["error"]["parameter"] == "cursor", parts


def test_no_parameter_makes_the_copy_fail(
    client: FlaskClient, stock: Stock, caplog: pytest.LogCaptureFixture
) -> None:
    stock(3)
    cache = client.application.extensions[EXTENSION].column_cache
    cache.step()
    numbers = ("-999999999.99", "999999999.99", "-0", "2147483648", "9223372036854775807", "8760", "1440")
    for name in (*VIEW_PARAMETERS, "cursor"):
        for value in (*VALUES, *numbers):
            client.get("/api/deals", query_string={name: value})
            assert cache.snapshot() is not None, (name, value)
    assert "gave no answer" not in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        *("/deals/1/<script>", "/deals/999999999999999999999/B000000000", "/deals/-1/B000000000"),
        *(
            "/deals/1/../../etc/passwd",
            "/static/../app.py",
            "/static/%2e%2e/app.py",
            "/%00",
            "/%ff",
        ),
        *("/api/deals/1/%3Cscript%3E", "/{{7*7}}", "/deals/1/" + "A" * 5000, "/login?next=//evil.example"),
    ],
)
def test_a_strange_address_is_a_plain_404(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (303, 308, 404)
    assert "evil" not in (answer.location or "").removeprefix("http://localhost")
    assert "49" not in re.sub(r"/static/[0-9a-f]{12}/", "", answer.text)  # a version may hold these digits
    assert Markup(answer.text).dangers == []


HEADERS = {
    "Host": ("evil.example", "localhost@evil.example", "[::1", "localhost:port", "a" * 300, "localhost/x"),
    "X-Forwarded-Host": ("evil.example", "<script>"),
    "X-Forwarded-For": ("<script>alert(1)</script>", "' OR 1=1"),
    "X-Forwarded-Proto": ("javascript", "https"),
    "X-Forwarded-Prefix": ("//evil.example",),
    "If-None-Match": ('"', "W/", "*x", "\xff", '"' + "a" * 5000),
    "If-Modified-Since": ("yesterday", "Thu, 99 Foo 9999"),
    "Range": ("bytes=0-0", "bytes=9-1", "lines=1"),
    "Accept-Encoding": ("br;q=x", "*;q=0", "gzip, , ;", "\xff"),
    "Accept": ("text/html;q=x", "../../", "\xff"),
    "Cookie": ("keepa_deals_8000=x", "keepa_deals_8000=" + "e30." * 50, "=;=", "keepa_deals_8000=\xff"),
    "Authorization": ("Bearer", "Bearer \xff", "Basic x", "Basic //8=", "Digest username=x", " "),
    "Content-Length": ("-1", "x", "99999999999"),
    "Content-Type": ("multipart/form-data; boundary=", "application/json; charset=x"),
    "Sec-Fetch-Dest": ("<script>",),
}


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("name", HEADERS)
def test_a_header_breaks_nothing(
    client: FlaskClient, stock: Stock, name: str, guarded: bool, request: pytest.FixtureRequest
) -> None:
    stock(1)
    if guarded:
        request.getfixturevalue("store").set_password("correct horse battery")
    for value in HEADERS[name]:
        for path in ("/", "/api/deals", "/export.csv", "/feed.atom", "/login"):
            answer = client.get(path, headers={name: value})
            assert answer.status_code in (200, 206, 303, 304, 400, 401, 413, 416), (path, value)
            assert "evil" not in (answer.location or "")
            if answer.content_encoding:
                continue
            assert "evil" not in answer.text
            if answer.content_type.startswith("text/html"):
                assert Markup(answer.text).dangers == []


@pytest.fixture
def broken(world: World, tmp_path: Path) -> Iterator[FlaskClient]:
    """A dashboard whose stores have passwords and do not answer."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key="k" * 64,  # type: ignore[arg-type]
        keepa_deals_home=tmp_path / "broken",
        redis_url="redis://:s3cret-redis@127.0.0.1:1/0",  # type: ignore[arg-type]
        database_url="postgresql+psycopg://deals:s3cret-db@127.0.0.1:1/deals",  # type: ignore[arg-type]
    )
    app = create_app(settings, clock=world.clock)
    yield app.test_client()
    app.extensions[EXTENSION].engine.dispose()
    world.database.close()


def test_no_secret_is_in_any_answer_even_when_everything_fails(broken: FlaskClient) -> None:
    for path in (
        "/",
        "/health",
        "/api/deals",
        "/api/status",
        "/readyz",
        "/metrics",
        "/export.csv",
        "/feed.atom",
    ):
        answer = broken.get(path)
        assert answer.status_code in (200, 503), path
        for secret in SECRETS:
            assert secret not in answer.text, (path, secret)
            assert secret not in str(answer.headers), (path, secret)


def test_every_answer_forbids_inline_scripts_framing_and_guessing_of_types(client: FlaskClient) -> None:
    for path in ("/", "/nothing", "/api/deals", "/export.csv", "/feed.atom", "/login"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
