"""A running service with the sandbox, and pages of it in Chromium."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, sync_playwright
from sqlalchemy import func, insert, select, update
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from keepa_deals.db.models import Deal, DealEvent
from keepa_deals.db.session import Database
from keepa_deals.deals.kinds import DealEventKind
from keepa_deals.deployment.ports import free_port
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.deal_rows import fill_deals, make_row
from tests.support.deployment import Service
from tests.support.world import make_world


@pytest.fixture(scope="package")
def service(deployment: Service) -> Service:
    """The run's deployment, as soon as its list has some pages."""
    deployment.wait_for(lambda _: deployment.ask("/api/deals")["total"] > 100)
    return deployment


ARGUMENTS = ("--no-sandbox", "--disable-features=WebUIOmniboxPopup")
"""Otherwise each page has an address bar that nobody sees: a process, and half of what a page costs."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        assert os.environ.get("CI") != "true", "Chromium is missing"
        pytest.skip("Chromium is not installed (tests/run installs it as root on Debian and Ubuntu)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> Iterator[Contexts]:
    yield (contexts := Contexts(browser))
    contexts.close()


class Contexts:
    """One context for each set of options, and one page in it: a new one costs more than most tests."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._kept: dict[str, BrowserContext] = {}

    def context(self, **options: Any) -> BrowserContext:
        """It lets nothing out of this machine."""
        name = repr(sorted(options.items()))
        if name not in self._kept:
            self._kept[name] = context = self._browser.new_context(**options)
            context.set_default_timeout(15_000)
            context.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
        return self._kept[name]

    def opened(self, address: str, **options: Any) -> Iterator[Page]:
        """A page that fails the test on any error of a script.

        It finds nothing of what an earlier one has left: no cookie, nothing stored.
        """
        context = self.context(base_url=address, **options)
        page = context.pages[0] if context.pages else context.new_page()
        errors: list[str] = []

        def note(line: ConsoleMessage) -> None:
            if line.type == "error":
                errors.append(line.text)

        def note_raised(error: Error) -> None:
            errors.append(str(error))

        page.on("console", note)
        page.on("pageerror", note_raised)
        page.goto("/")
        yield page
        cleaner = context.new_cdp_session(page)
        cleaner.send("Storage.clearDataForOrigin", {"origin": address, "storageTypes": "all"})
        cleaner.detach()
        context.clear_cookies()
        context.clear_permissions()
        for left in context.pages[1:]:
            left.close()
        page.unroute_all(behavior="ignoreErrors")
        page.goto("about:blank")
        page.remove_listener("console", note)
        page.remove_listener("pageerror", note_raised)
        # pictures come from a host that the test does not let through; what a test breaks itself, it says
        assert [error for error in errors if "Failed to load resource" not in error] == []

    def close(self) -> None:
        for context in self._kept.values():
            context.close()


@pytest.fixture(scope="package")
def still_port() -> int:
    """One for all of them, so that their pages share a context."""
    return free_port()


@pytest.fixture
def still(tmp_path: Path, still_port: int) -> Iterator[Still]:
    """A dashboard whose deals change only as a test says: no service runs, and each answer is made anew."""
    world = make_world(tmp_path / "deals.db")
    fill_deals(world.database.engine, 120, datetime.now(UTC))
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        keepa_api_key="k" * 64,  # type: ignore[arg-type]
        keepa_deals_home=tmp_path,
        redis_url=f"unix://{tmp_path}/none.sock",  # type: ignore[arg-type]
    )
    app = create_app(settings)
    app.config["COMPRESS_STREAMS"] = False  # files that it compresses are closed when they are collected
    server = make_server("127.0.0.1", still_port, app, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    still = Still(f"http://127.0.0.1:{server.server_port}", world.database, server)
    yield still
    still.die()
    thread.join()
    app.extensions[EXTENSION].engine.dispose()
    world.database.close()


@dataclass
class Still:
    """A dashboard and its database."""

    address: str
    database: Database
    server: BaseWSGIServer
    lives: bool = True

    def die(self) -> None:
        """From now on nobody answers."""
        if self.lives:
            self.lives = False
            self.server.shutdown()
            self.server.server_close()

    def see_all(self) -> None:
        """Every deal that has not ended is live."""
        with self.database.begin() as session:
            session.execute(
                update(Deal).where(Deal.ended_at.is_(None)).values(last_seen_at=datetime.now(UTC))
            )

    def lose_one(self) -> None:
        """A live deal becomes stale."""
        with self.database.begin() as session:
            newest = (
                select(Deal.asin).where(Deal.ended_at.is_(None)).order_by(Deal.last_seen_at.desc()).limit(1)
            )
            long_ago = datetime.now(UTC) - timedelta(hours=3)
            session.execute(
                update(Deal).where(Deal.asin == session.scalar(newest)).values(last_seen_at=long_ago)
            )

    def reprice(self, asin: str, price: int) -> None:
        """The deal has another price."""
        with self.database.begin() as session:
            changed = update(Deal).where(Deal.asin == asin)
            session.execute(changed.values(price=price, changed_at=datetime.now(UTC)))

    def find_one(self) -> None:
        """A new deal comes in."""
        now = datetime.now(UTC)
        with self.database.begin() as session:
            number = 1000 + (session.scalar(select(func.count()).select_from(Deal)) or 0)
            row = make_row(random.Random(9), number, now, ended=0)
            moments = ("first_seen_at", "found_at", "last_seen_at", "deal_created_at")
            session.execute(insert(Deal), [{**row, **dict.fromkeys(moments, now)}])
            found = {"domain_id": 1, "asin": row["asin"], "at": now, "kind": DealEventKind.FOUND}
            session.execute(insert(DealEvent), [found])


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """The output belongs to the tests."""


DESK, PHONE = (1440, "light"), (390, "dark")
ON_BOTH = [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone")]
BY_NIGHT_ON_BOTH = [ON_BOTH[0], pytest.param(PHONE, id="phone", marks=pytest.mark.nightly)]


@pytest.fixture(params=BY_NIGHT_ON_BOTH)
def open_page(request: pytest.FixtureRequest, contexts: Contexts, still: Still) -> Iterator[Page]:
    """A page of the dashboard that stands still, on a desk; by night also on a phone."""
    width, scheme = request.param
    yield from contexts.opened(still.address, viewport={"width": width, "height": 850}, color_scheme=scheme)


@pytest.fixture
def still_page(contexts: Contexts, still: Still) -> Iterator[Page]:
    """The same on a desk alone."""
    yield from contexts.opened(still.address)


@pytest.fixture
def cached_page(browser: Browser, still: Still) -> Iterator[Page]:
    """One that keeps what it has loaded: a page whose requests are looked at does not.

    Its reader has been here before: a first answer, which sets the cookie, is not the one for later requests.
    """
    context = browser.new_context(base_url=still.address)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto("/")
    yield page
    context.close()


@pytest.fixture(params=BY_NIGHT_ON_BOTH)
def page(request: pytest.FixtureRequest, contexts: Contexts, service: Service) -> Iterator[Page]:
    """In light on a desk; by night also in the dark on a phone."""
    width, scheme = request.param
    yield from contexts.opened(service.address, viewport={"width": width, "height": 850}, color_scheme=scheme)


@pytest.fixture(params=ON_BOTH)
def each_page(request: pytest.FixtureRequest, contexts: Contexts, service: Service) -> Iterator[Page]:
    """In light on a desk, and in the dark on a phone."""
    width, scheme = request.param
    yield from contexts.opened(service.address, viewport={"width": width, "height": 850}, color_scheme=scheme)


@pytest.fixture
def desk(contexts: Contexts, service: Service) -> Iterator[Page]:
    """On a desk alone: what a phone shows in the same way."""
    yield from contexts.opened(service.address, viewport={"width": 1440, "height": 850})


@pytest.fixture
def plain(contexts: Contexts, service: Service) -> Iterator[Page]:
    """Without JavaScript."""
    yield from contexts.opened(
        service.address, viewport={"width": 1280, "height": 850}, java_script_enabled=False
    )


class Table:
    """The deals of the running service, for what the sandbox does only once in an hour."""

    def __init__(self, service: Service) -> None:
        self._path = service.home / "deals.db"

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self._path, timeout=20)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            return connection.execute(statement, values).fetchall()

    def history(self, asin: str, prices: list[int]) -> None:
        """Points of the past, an hour apart, the last one an hour ago."""
        for back, price in enumerate(reversed(prices), start=1):
            at = moment(timedelta(hours=back))
            self._run(
                "INSERT OR REPLACE INTO deal_points (domain_id, asin, at, price, price_avg_90, sales_rank) "
                "VALUES (1, ?, ?, ?, 5000, ?)", asin, at, price, 900 + back
            )  # fmt: skip


def moment(back: timedelta = timedelta(0)) -> str:
    """A time in the past as SQLite keeps it."""
    return (datetime.now(UTC) - back).strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture
def table(service: Service) -> Table:
    return Table(service)
