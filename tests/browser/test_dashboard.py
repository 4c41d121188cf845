"""The dashboard in a real browser, beside a running service with the sandbox."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.sandboxes import ask
from tests.support.service import Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("browser") / "home")
    try:
        service.start()
        yield service
    finally:
        service.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        assert os.environ.get("CI") != "true", "Chromium is missing"
        pytest.skip("Chromium is not installed (tests/run installs it as root on Debian and Ubuntu)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[Page]:
    """A page that lets nothing out of this machine and fails the test on any error of a script."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 850}, color_scheme=scheme)
    page = context.new_page()
    page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(service.address)
    yield page
    context.close()
    assert errors == []


def titles(page: Page) -> list[str]:
    return page.locator("tr[data-key] .title a").all_inner_texts()


def test_deals_are_shown_and_nothing_is_wider_than_the_screen(page: Page) -> None:
    assert len(titles(page)) == 50
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_search_narrows_the_list_and_is_in_the_address(page: Page) -> None:
    row = page.locator("tr[data-key]").first
    title, asin = titles(page)[0], (row.get_attribute("data-key") or "").split("-")[1]
    page.get_by_label("Search").fill(asin)
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url(re.compile(f"q={asin}"))
    assert titles(page) == [title]
    page.get_by_role("link", name="Reset").click()
    expect(page.locator("tr[data-key]")).to_have_count(50)


def test_a_price_filter_and_paging(page: Page) -> None:
    page.get_by_label("Price to").fill("40")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url(re.compile("price_max=40"))
    prices = page.locator("tr[data-key] .price").all_inner_texts()
    assert prices
    assert all(float(price.replace("$", "").replace(",", "")) <= 40 for price in prices)
    first = page.locator("tr[data-key]").first.get_attribute("data-key")
    page.get_by_role("link", name="More →").click()
    page.wait_for_url(re.compile("cursor="))
    assert page.locator("tr[data-key]").first.get_attribute("data-key") != first


def test_one_deal_has_its_own_page(page: Page) -> None:
    title = titles(page)[0]
    page.locator("tr[data-key] .title a").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()


def test_the_keyboard_reaches_the_first_deal(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('tr[data-key]') !== null"):
            return
    raise AssertionError("no deal was reached")


def test_axe_finds_nothing_serious(page: Page, service: Service) -> None:
    for address in ("/", "/health", page.locator("tr[data-key] .title a").first.get_attribute("href") or "/"):
        page.goto(service.address + address)
        found = Axe().run(page).response["violations"]
        serious = [
            v["id"] + ": " + v["nodes"][0]["html"][:200]
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_new_deals_are_announced_without_moving_the_list(page: Page, service: Service) -> None:
    page.evaluate("() => { document.querySelector('tr[data-key]').dataset.key = 'gone'; }")
    page.evaluate("refresh()")
    expect(page.locator("#news")).to_have_text("1 new deal")
    assert page.locator("tr[data-key]").count() == 50
    page.locator("#news").click()
    expect(page.locator("#news")).to_be_hidden()


def test_a_dashboard_that_dies_is_admitted(page: Page) -> None:
    page.route("**/*", lambda route: route.abort())
    page.evaluate("refresh()")
    expect(page.locator("#taken")).to_contain_text("does not answer")
    assert len(titles(page)) == 50


def test_a_banner_says_when_ingestion_is_behind(page: Page, service: Service) -> None:
    runtime = (Path(service.home) / "run" / "runtime.env").read_text()
    sandbox = next(x.split("'")[1] for x in runtime.splitlines() if x.startswith("KEEPA_API_URL"))
    ask(f"{sandbox}/_sandbox/faults", {"502": 1}, method="PUT")
    try:
        service.wait_for(lambda s: any(p["name"] == "upserter_behind" for p in s["problems"]))
        page.reload()
        expect(page.get_by_role("alert")).to_contain_text("The deals may be old.")
    finally:
        ask(f"{sandbox}/_sandbox/faults", {}, method="PUT")
        service.wait_for(lambda s: not s["problems"])
