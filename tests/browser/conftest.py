"""A running service with the sandbox, and pages of it in Chromium."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
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
        service.wait_for(lambda _: service.ask("/api/deals")["total"] > 100)
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
    context.set_default_timeout(15_000)
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

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self._path, timeout=20)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            return connection.execute(statement, values).fetchall()

    def holds(self, asin: str) -> bool:
        return bool(self._run("SELECT 1 FROM deals WHERE asin = ?", asin))

    def forget(self, asin: str) -> None:
        """The deal was never seen: the service finds it in the feed anew."""
        self._run("DELETE FROM deals WHERE asin = ?", asin)

    def reprice(self, asin: str, price: int) -> None:
        """The deal has another price until the upserter sees it again."""
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
