"""Whatever a stranger sends to whichever route: an answer that was meant, never a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.query.view import VIEW_PARAMETERS
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.security.test_every_route import EVERYTHING, addresses
from tests.support.examples import examples
from tests.support.people import People
from tests.support.world import make_deal, make_world
from tests.unit.web.auth.test_access import PASSWORD, log_in, token_on

NASTY = (
    *(
        "//\u2100",
        "http://[",
        "//[",
        "http://[::1",
        "//a]b",
        "http://[v1.x]/",
        "//\u2488com",
        "\\\\evil.example",
    ),
    *(
        "evil.example",
        "localhost@evil.example",
        "[::1",
        "localhost:99999999999",
        "a" * 300,
        "",
        " ",
        "\t",
        "%",
    ),
    *("-1", "9" * 400, "1e400", "NaN", "\u0663", "\x00", "\xff", "\ud7ff", "\U0001f600", "{}", "[]", "null"),
    *("' OR 1=1 --", "{{7*7}}", "<script>", "../../etc/passwd", 'W/"', "bytes=9-1", "a=b;" * 50, "&" * 300),
)
HEADERS = (
    *("Host", "Referer", "Origin", "Cookie", "Authorization", "Accept", "Accept-Encoding", "Accept-Language"),
    *(
        "Content-Type",
        "If-None-Match",
        "If-Modified-Since",
        "If-Range",
        "Range",
        "Sec-Fetch-Dest",
        "X-CSRFToken",
    ),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded"),
    *("Transfer-Encoding", "X-HTTP-Method-Override", "User-Agent", "Upgrade", "Date", "Cache-Control"),
)
PARAMETERS = (*VIEW_PARAMETERS, *EVERYTHING, "cursor", "keys", "since", "hours", "price", "csrf_token")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MEANT = {200, 206, 303, 304, 308, 400, 401, 403, 404, 405, 413, 414, 415, 416, 429}

texts = st.sampled_from(NASTY) | st.text(max_size=60)
header_texts = texts.map(
    lambda text: text.encode("latin-1", "ignore").decode("latin-1").translate(dict.fromkeys((0, 10, 13)))
)
paths = st.lists(st.sampled_from(NASTY) | st.text(max_size=20), max_size=4).map(
    lambda parts: "/" + "/".join(quote(part, errors="ignore") for part in parts)
)
headers = st.dictionaries(st.sampled_from(HEADERS), header_texts, max_size=5)
fields = st.dictionaries(st.sampled_from(PARAMETERS) | st.text(max_size=8), texts, max_size=5)
bodies = st.fixed_dictionaries({"data": fields | st.binary(max_size=200)}) | st.fixed_dictionaries(
    {"json": fields}
)


@pytest.fixture(scope="module")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[FlaskClient, str]]]:
    """An open dashboard, and a guarded one behind a proxy with TLS, whose reader is logged in."""
    found: list[tuple[FlaskClient, str]] = []
    apps: list[Flask] = []
    for guarded in (False, True):
        home = tmp_path_factory.mktemp("home")
        apps.append(application(home, guarded))
        reader = apps[-1].test_client()
        if guarded:
            assert log_in(reader) == 303
        found.append((reader, "https://localhost" if guarded else "http://localhost"))
    yield found
    for app in apps:
        app.extensions[EXTENSION].engine.dispose()


def application(home: Path, guarded: bool) -> Flask:
    world = make_world(home / "deals.db")
    world.keepa.list(make_deal("B000000000", price=1000))
    upsert.run(world.context)
    world.database.close()
    if guarded:
        People(home).set_password(PASSWORD)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key="k" * 64,  # type: ignore[arg-type]
        keepa_deals_home=home,
        redis_url=None,
        dashboard_proxies=1 if guarded else 0,
    )
    app = create_app(settings, clock=world.clock)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


@hypothesis_settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_nothing_that_is_sent_is_a_fault_of_ours(
    deployments: list[tuple[FlaskClient, str]], data: st.DataObject
) -> None:
    reader, base = data.draw(st.sampled_from(deployments), "deployment")
    address = data.draw(st.sampled_from(addresses(reader.application)) | paths, "address")
    method = data.draw(st.sampled_from(METHODS), "method")
    sent = data.draw(headers, "headers")
    body = data.draw(bodies, "body") if method not in ("GET", "HEAD") else {}
    query = data.draw(fields, "query")
    answer = reader.open(
        address,
        method=method,
        base_url=base,
        headers=sent,
        query_string=query,
        follow_redirects=False,
        **body,
    )
    allowed = MEANT | ({503} if address in ("/readyz", "/metrics") else set())
    assert answer.status_code in allowed, answer.text[:500]
    assert "evil" not in (answer.location or "")
    answer.close()


@pytest.mark.parametrize("value", ["//\u2100", "http://[", "//[", "//a]b"])
def test_an_address_that_cannot_be_split_is_answered(
    deployments: list[tuple[FlaskClient, str]], value: str
) -> None:
    for reader, base in deployments:
        assert reader.get("/login", query_string={"next": value}, base_url=base).location == "/"
        referrer = {"Referer": value.encode("latin-1", "ignore").decode("latin-1")}
        assert reader.get("/deals/1/B000000000", headers=referrer, base_url=base).status_code == 200
        token = token_on(reader.get("/health", base_url=base).text)
        posted = reader.post(
            "/views", data={"name": "a", "csrf_token": token}, headers=referrer, base_url=base
        )
        assert posted.status_code in (303, 400)


def test_a_view_with_more_parameters_than_any_of_ours_is_refused(
    deployments: list[tuple[FlaskClient, str]],
) -> None:
    for reader, base in deployments:
        token = token_on(reader.get("/health", base_url=base).text)
        form = {"name": "a", "query": "&".join("a=b" for _ in range(900)), "csrf_token": token}
        answer = reader.post("/views", data=form, headers={"Referer": f"{base}/"}, base_url=base)
        assert answer.status_code == 400, answer.text
        assert "query: at most 200 parameters" in answer.text
