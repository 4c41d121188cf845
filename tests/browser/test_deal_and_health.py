"""The page of one deal and the health page in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Table
from tests.support.deployment import Service

pytestmark = pytest.mark.slow


def results(page: Page) -> list[str]:
    return page.locator("[data-result]").all_inner_texts()


def a_deal_with_fees(service: Service) -> str:
    """The address of a deal whose profit is known."""
    found = service.wait_for(lambda s: s["jobs"]["backfill_deals"]["rows"], 60)
    assert found
    return str(service.ask("/api/deals?sort=profit&limit=1")["deals"][0]["url"])


def test_one_deal_has_its_curve_with_values_under_the_pointer(
    page: Page, service: Service, table: Table
) -> None:
    address = a_deal_with_fees(service)
    table.history(address.rpartition("/")[2], [5100, 4200, 4800])
    page.goto(address)
    legend = page.locator(".u-legend")
    expect(legend).to_contain_text(re.compile(r"Price, Keepa:?\s*–.*Price, here:?\s*\$\d", re.DOTALL))
    page.get_by_role("button", name="All", exact=True).click()
    page.locator(".u-over").hover(position={"x": 40, "y": 60})
    expect(legend).to_contain_text(re.compile(r"Price, here:?\s*–.*Rank, Keepa:?\s*\d", re.DOTALL))
    page.get_by_text("As a table").click()
    told_by = page.get_by_role("region", name="Recorded history").locator("td:last-child")
    expect(told_by.first).to_have_text("seen here")
    expect(told_by.last).to_have_text("Keepa")
    expect(page.get_by_text("The price fell from $51.00 to $42.00")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def field(page: Page, label: str) -> Locator:
    """Where a term of the calculation is typed."""
    return page.get_by_role("textbox", name=label, exact=True)


def test_what_if_follows_the_typing_and_agrees_with_the_server(page: Page, service: Service) -> None:
    address = a_deal_with_fees(service)
    page.goto(address)
    known = results(page)
    for label, text in (("Buy", "12.34"), ("Referral fee, %", "8.25"), ("Preparation", "0.99")):
        field(page, label).fill(text)
        expect(page.locator("tr.touched").filter(has=field(page, label))).to_be_visible()
    typed = results(page)
    assert typed != known
    field(page, "Buy").fill("12.3.4")
    expect(page.locator("#problem-buy")).not_to_be_empty()
    expect(field(page, "Buy")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-result=profit]")).to_have_text("–")
    assert results(page) == ["–"] * 4
    field(page, "Buy").fill("12.34")
    expect(page.locator("[data-result=profit]")).to_have_text(typed[0])
    page.locator(".economics form").evaluate("(form) => form.requestSubmit()")
    page.wait_for_url(re.compile("buy=12.34"))
    assert results(page) == typed
    page.get_by_role("link", name="As known").click()
    expect(page.locator("[data-result=profit]")).to_have_text(known[0])
    assert results(page) == known


def test_what_if_needs_no_script(plain: Page, service: Service) -> None:
    plain.goto(a_deal_with_fees(service))
    known = results(plain)
    field(plain, "Buy").fill("0.50")
    plain.get_by_role("button", name="Calculate").click()
    plain.wait_for_url(re.compile("buy=0.50"))
    assert results(plain) != known
    plain.get_by_text("As a table").click()
    expect(plain.get_by_role("table", name="Price, average and rank over time")).to_be_visible()


def test_health_shows_the_curve_and_renews_itself(page: Page, service: Service) -> None:
    page.goto("/health?hours=1")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator(".good")).to_contain_text("All is well")
    expect(page.get_by_role("heading", name="What goes stale, and when")).to_be_visible()
    page.evaluate("document.querySelector('[data-live=tiles]').replaceChildren()")
    page.get_by_text("As a table").click()
    page.get_by_role("button", name="Pause the backfill").focus()
    page.mouse.move(1, 1)
    page.evaluate("document.dispatchEvent(new Event('keepa_deals:refresh'))")
    expect(page.locator(".tile.live dd")).to_have_text(re.compile(r"^\d[\d,]*$"))
    expect(page.get_by_role("button", name="Pause the backfill")).to_be_focused()
    expect(page.get_by_role("region", name="Deals over time").locator("table").first).to_be_visible()


def test_the_buttons_run_a_job_and_pause_the_backfill(plain: Page, service: Service) -> None:
    plain.goto("/health")
    line = plain.get_by_role("row", name=re.compile("backfill_deals"))
    line.get_by_role("button", name="Pause the backfill").click()
    expect(line).to_contain_text("paused")
    service.wait_for(lambda s: s["jobs"]["backfill_deals"]["lock_holder"] is None)  # a slice still ends
    line.get_by_role("button", name=re.compile("Run now")).click()
    expect(plain.locator("#actions")).to_contain_text("run now backfill_deals: not sent: it is paused")
    assert service.status()["jobs"]["backfill_deals"]["paused"] is True
    line.get_by_role("button", name="Resume the backfill").click()
    log = plain.locator("#actions")
    expect(log).to_contain_text("resume backfill_deals: goes on with the next slice")
    runs = service.status()["jobs"]["update_recent_deals"]["last_success_at"]
    plain.get_by_role("button", name="Run now: update_recent_deals").click()
    expect(log).to_contain_text(re.compile(r"run now update_recent_deals: (sent to its queue|not sent: )"))
    service.wait_for(lambda s: s["jobs"]["update_recent_deals"]["last_success_at"] > runs)


def test_a_deal_is_starred_hidden_and_noted_by_keys_and_undone(still_page: Page) -> None:
    page = still_page
    ready = """() => new Promise((done) => {
        const isThere = () => performance.getEntriesByName('keepa_deals:ready').length > 0;
        const look = (_, observer) => { if (isThere()) { observer.disconnect(); done(); } };
        if (isThere()) done(); else new PerformanceObserver(look).observe({ type: 'mark', buffered: true });
    })"""  # the pages' policy forbids the text that wait_for_function evaluates again and again

    def press(key: str) -> None:
        page.locator("section.marks").wait_for()
        page.evaluate(ready)
        page.keyboard.press(key)

    page.locator("a.open").first.click()
    press("s")
    page.get_by_text("Starred: 1 deal").wait_for()
    press("h")
    page.get_by_text("Hidden: 1 deal").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Hide", exact=True).wait_for()
    press("e")
    assert page.evaluate("document.activeElement.name") == "note"
