"""Log-in, export and hostile titles in a real browser, on the real server."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from keepa_deals.db import migrate
from keepa_deals.db.models import Deal
from keepa_deals.db.session import Database
from tests.support.deal_rows import fill_deals
from tests.support.servers.dashboard import dashboard, environment
from tests.unit.web.test_hostile_input import TITLES

pytestmark = pytest.mark.slow
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some deals; the newest ones have the titles of strangers."""
    home = tmp_path_factory.mktemp("dashboard")
    database = Database(f"sqlite:///{home / 'deals.db'}")
    migrate.upgrade(database)
    now = datetime.now(UTC)
    fill_deals(database.engine, 300, now)
    with database.engine.begin() as connection:
        for number, title in enumerate(TITLES):
            values = {
                "title": title,
                "brand": title,
                "deal_created_at": now,
                "last_seen_at": now,
                "ended_at": None,
            }
            connection.execute(update(Deal).where(Deal.asin == f"B{number:09d}").values(**values))
    database.close()
    return home


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with dashboard(home) as address:
        yield address


def tab(browser: Browser, address: str, *, scripts: bool = True) -> Page:
    """A page that lets nothing out of this machine and remembers whether a stranger's script ran."""
    context = browser.new_context(base_url=address, java_script_enabled=scripts, accept_downloads=True)
    page = context.new_page()
    page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
    return page


def test_no_strangers_script_runs_on_any_page(browser: Browser, address: str) -> None:
    page = tab(browser, address)
    ran: list[str] = []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda line: ran.append(line.text) if "Content Security Policy" in line.text else None)
    for path in ("/", "/?layout=cards", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/?sort=title&status=all"):
        page.goto(path)
        assert page.locator("[data-key]").count() > 0 or "q=" in path
    for number in range(len(TITLES)):
        page.goto(f"/deals/1/B{number:09d}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("fetch('/live?keys=1-B000000000').then(answer => answer.status)") == 200
    assert ran == []
    page.context.close()


def test_a_view_is_downloaded_as_it_is_shown(browser: Browser, address: str, tmp_path: Path) -> None:
    page = tab(browser, address)
    page.goto("/?price_max=100&sort=price")
    shown = page.locator("[data-key]").evaluate_all("rows => rows.map(row => row.dataset.key.slice(2))")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        asins = [line["asin"] for line in csv.DictReader(lines)]
    assert asins[: len(shown)] == shown
    assert len(asins) >= len(shown) > 0
    page.context.close()


@pytest.mark.parametrize(
    "scripts",
    [pytest.param(True, id="scripts"), pytest.param(False, id="no-scripts", marks=pytest.mark.nightly)],
)
def test_log_in_leads_back_to_the_view_and_log_out_ends_it(
    browser: Browser, address: str, home: Path, scripts: bool
) -> None:
    command = [str(Path(sys.executable).with_name("keepa-deals")), "dashboard", "password"]
    done = subprocess.run(
        command,
        input=PASSWORD + "\n",
        env=environment(home, 8000),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    try:
        page = tab(browser, address, scripts=scripts)
        page.goto("/?sort=price")
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        if scripts:
            found = Axe().run(page).response["violations"]
            assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
        page.get_by_label("Password").fill("wrong password")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("not the name or not the password")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(f"{address}/?sort=price")
        assert page.locator("[data-key]").count() > 0
        page.get_by_role("button", name="Log out").click()
        expect(page).to_have_url(f"{address}/login")
        page.goto("/health")
        expect(page).to_have_url(f"{address}/login?next=/health")
        page.context.close()
    finally:
        subprocess.run([*command, "--remove"], env=environment(home, 8000), check=True, timeout=60)
