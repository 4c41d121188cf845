"""A running service with the sandbox, and pages of it in Chromium."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.service import Service


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("browser") / "home")
    try:
        service.start()
        yield service
    finally:
        service.kill()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        assert os.environ.get("CI") != "true", "Chromium is missing"
        pytest.skip("Chromium is not installed (tests/run installs it as root on Debian and Ubuntu)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Browser, service: Service, **options: Any) -> Iterator[Page]:
    """A page that lets nothing out of this machine and fails the test on any error of a script."""
    context = browser.new_context(base_url=service.address, **options)
    page = context.new_page()
    page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto("/")
    yield page
    context.close()
    # pictures come from a host that the test does not let through; what a test breaks itself, it says
    assert [error for error in errors if "Failed to load resource" not in error] == []


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[Page]:
    """On a desk by day, and on a phone by night."""
    width, scheme = request.param
    yield from opened(browser, service, viewport={"width": width, "height": 850}, color_scheme=scheme)


@pytest.fixture
def desk(browser: Browser, service: Service) -> Iterator[Page]:
    """On a desk alone: what a phone shows in the same way."""
    yield from opened(browser, service, viewport={"width": 1440, "height": 850})


@pytest.fixture
def plain(browser: Browser, service: Service) -> Iterator[Page]:
    """Without JavaScript."""
    yield from opened(browser, service, viewport={"width": 1280, "height": 850}, java_script_enabled=False)


class Table:
    """The deals of the running service, for what the sandbox does only once in an hour."""

    def __init__(self, service: Service) -> None:
        self._path = service.home / "deals.db"

    def _run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self._path, timeout=20) as connection:
            return connection.execute(statement, values).fetchall()

    def arrive(self, like: str, asin: str) -> None:
        """A deal like the one of ``like`` is found now."""
        now = moment()
        names = [row[1] for row in self._run("PRAGMA table_info(deals)")]
        new = {"asin": "?", "title": "?", **dict.fromkeys(("first_seen_at", "deal_created_at"), "?")}
        chosen = ", ".join(new.get(name, name) for name in names)
        given = {"asin": asin, "title": f"Arrived {asin}", "first_seen_at": now, "deal_created_at": now}
        values = [given[name] for name in names if name in given]
        columns = ", ".join(names)
        self._run(
            f"INSERT OR REPLACE INTO deals ({columns}) SELECT {chosen} FROM deals WHERE asin = ?",
            *values,
            like,
        )
        self._run("INSERT INTO deal_events (domain_id, asin, at, kind) VALUES (1, ?, ?, 'found')", asin, now)

    def reprice(self, asin: str, price: int) -> None:
        """The price of a deal that the feed no longer shows changes (the upserter would set it back)."""
        self._run("UPDATE deals SET price = ?, changed_at = ? WHERE asin = ?", price, moment(), asin)

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
