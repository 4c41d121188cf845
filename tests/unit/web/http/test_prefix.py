"""Behind a proxy that gives the dashboard a path below its own: whatever leads anywhere leads there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as Xml

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.http.prefix import clean
from keepa_deals.web.services import EXTENSION
from tests.support.people import People
from tests.support.world import World

Stock = Callable[..., None]
DEAL = "/deals/1/B000000000"
PAGES = (
    "/",
    "/?layout=cards&price_max=20",
    "/?price_max=abc",
    "/?status=stale",
    "/?limit=1",
    "/health",
    DEAL,
)
PROXIED = {
    "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "deals.example", "X-Forwarded-Prefix": "/keepa",
}  # fmt: skip
PASSWORD = "correct horse battery"


def dashboard(world: World, home: Path, proxies: int) -> Iterator[FlaskClient]:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key="k" * 64,  # type: ignore[arg-type]
        keepa_deals_home=home,
        redis_url=f"unix://{home}/none.sock",  # type: ignore[arg-type]
        dashboard_proxies=proxies,
        dashboard_trusted_hosts="deals.example",
    )
    app = create_app(settings, clock=world.clock)
    yield app.test_client(use_cookies=False)  # it would not send those of another path
    app.extensions[EXTENSION].engine.dispose()


@pytest.fixture
def proxied(world: World, tmp_path: Path) -> Iterator[FlaskClient]:
    yield from dashboard(world, tmp_path, 1)


def led_to(page: str) -> set[str]:
    """The addresses on this host that a page leads to, loads or sends to."""
    found = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    return {unescape(address) for address in found if not address.startswith(("https://", "#"))}


def form_token(answer: TestResponse) -> tuple[str, str]:
    """What a form of the page sends, and the cookie that goes with it."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found
    return found[1], answer.headers["Set-Cookie"].split(";")[0]


@pytest.mark.parametrize("path", PAGES)
def test_every_address_of_a_page_has_the_prefix_and_leads_somewhere(
    proxied: FlaskClient, client: FlaskClient, stock: Stock, path: str
) -> None:
    stock(3)
    direct = client.get(path)
    answer = proxied.get(path, headers=PROXIED)
    assert answer.status_code == direct.status_code
    addresses = led_to(answer.text)
    assert all(address.startswith("/keepa/") for address in addresses), addresses
    assert {address.removeprefix("/keepa") for address in addresses} == led_to(direct.text)
    assert '<body data-root="/keepa">' in answer.text
    for address in addresses if path in ("/", DEAL) else ():
        with proxied.get(address.removeprefix("/keepa"), headers=PROXIED) as found:
            assert found.status_code in (200, 405), address  # forms take a POST


def test_scripts_know_of_no_fixed_address() -> None:
    folder = Path(__file__).parents[4] / "keepa_deals" / "web" / "static"
    for script in folder.glob("*.js"):
        if script.name == "addresses.js":  # where the page's own root comes from
            continue
        assert not re.search(r"""["'`]/(?!/)[\w?]""", script.read_text()), script.name


def test_feeds_files_and_the_api_name_the_readers_address(proxied: FlaskClient, stock: Stock) -> None:
    stock(1)
    feed = Xml.fromstring(proxied.get("/feed.atom?price_max=20", headers=PROXIED).data)
    links = [link.get("href") or "" for link in feed.iter("{http://www.w3.org/2005/Atom}link")]
    assert links[:3] == [
        "https://deals.example/keepa/feed.atom?price_max=20.00",
        "https://deals.example/keepa/?price_max=20.00",
        f"https://deals.example/keepa{DEAL}",
    ]
    export = proxied.get("/export.json", headers=PROXIED).json or {}
    assert export["view"].startswith("https://deals.example/keepa/?")
    assert export["deals"][0]["url"] == f"/keepa{DEAL}"
    for path in ("/api/deals", f"/api{DEAL}"):
        assert f'"url":"/keepa{DEAL}"' in proxied.get(path, headers=PROXIED).text.replace(" ", "")
    assert (proxied.get("/api/openapi.json", headers=PROXIED).json or {})["servers"] == [{"url": "/keepa"}]


def test_the_log_in_its_cookies_and_all_redirects_stay_below_the_prefix(
    proxied: FlaskClient, tmp_path: Path, stock: Stock
) -> None:
    stock(1)
    People(tmp_path).set_password(PASSWORD)
    base = "https://deals.example"
    asked = proxied.get("/?price_max=20", headers=PROXIED, base_url=base)
    assert unquote(asked.location) == "/keepa/login?next=/?price_max=20"
    form = proxied.get("/login?next=/?price_max%3D20", headers=PROXIED, base_url=base)
    token, cookie = form_token(form)
    answer = proxied.post(
        "/login",
        data={"password": PASSWORD, "next": "/?price_max=20", "csrf_token": token},
        headers={**PROXIED, "Cookie": cookie, "Referer": f"{base}/keepa/login"},
        base_url=base,
    )
    assert answer.status_code == 303
    assert answer.location == "/keepa/?price_max=20"
    paths = {re.search(r"Path=([^;]+)", line)[1] for line in answer.headers.getlist("Set-Cookie")}  # type: ignore[index]
    assert paths == {"/keepa/", "/keepa/login"}
    assert all("Secure" in line for line in answer.headers.getlist("Set-Cookie"))


def test_forms_lead_back_below_the_prefix(proxied: FlaskClient, stock: Stock) -> None:
    stock(1)
    for path, data in (
        ("/views", {"name": "Mine", "query": "price_max=20"}),
        ("/views/delete", {"name": "Mine", "query": ""}),
        ("/health/backfill", {"action": "pause"}),
    ):
        token, cookie = form_token(proxied.get("/health", headers=PROXIED))
        headers = {**PROXIED, "Cookie": cookie, "Referer": "https://deals.example/keepa/health"}
        answer = proxied.post(path, data={**data, "csrf_token": token}, headers=headers)
        assert answer.status_code == 303, (path, answer.text)
        assert answer.location.startswith("/keepa/"), path


def test_the_way_back_from_a_deal_keeps_the_list(proxied: FlaskClient, stock: Stock) -> None:
    stock(1)
    page = proxied.get(DEAL, headers={**PROXIED, "Referer": "https://deals.example/keepa/?sort=price"}).text
    assert '<a href="/keepa/?sort=price">← Deals</a>' in page


def test_answers_that_are_kept_are_kept_apart_by_prefix(proxied: FlaskClient, stock: Stock) -> None:
    stock(1)
    proxied.application.config["ANSWERS_KEPT_SECONDS"] = 60
    for prefix in ("/keepa", "", "/other"):
        page = proxied.get("/", headers={**PROXIED, "X-Forwarded-Prefix": prefix}).text
        assert f'href="{prefix}{DEAL}"' in page


NO_PREFIX = (
    *("keepa", "//evil.example", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/a#b", "/%2e", "/", ""),
    *('/"><script>', "/a\\b", "https://evil.example", "/" + "a" * 300, "/é", "/a;b"),
)


@pytest.mark.parametrize(
    ("stated", "prefix"),
    [
        ("/keepa", "/keepa"),
        ("/keepa/", "/keepa"),
        ("/a/b-c_d.e", "/a/b-c_d.e"),
        *((no, "") for no in NO_PREFIX),
    ],
)
def test_a_prefix_is_a_path_of_this_host_or_ignored(stated: str, prefix: str) -> None:
    assert clean(stated) == prefix


def test_a_prefix_that_nobody_in_front_may_state_is_ignored(client: FlaskClient, stock: Stock) -> None:
    stock(1)
    assert f'href="{DEAL}"' in client.get("/", headers={"X-Forwarded-Prefix": "/keepa"}).text


@pytest.mark.parametrize(("stated", "prefix"), [("/keepa", "/keepa"), ("/liar, /keepa, /inner", "/keepa")])
def test_of_several_proxies_the_outermost_that_counts_is_believed(
    world: World, tmp_path: Path, stock: Stock, stated: str, prefix: str
) -> None:
    stock(1)
    for behind_two in dashboard(world, tmp_path, 2):
        page = behind_two.get("/", headers={"X-Forwarded-Prefix": stated}).text
        assert f'href="{prefix}{DEAL}"' in page
