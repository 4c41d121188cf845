"""The deals page in a real browser, beside a running service with the sandbox."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.deployment import Service
from tests.support.servers.sandbox import ask

pytestmark = pytest.mark.slow


def rows(page: Page) -> list[str]:
    return [row.get_attribute("data-key") or "" for row in page.locator("[data-key]").all()]


def open_filters(page: Page) -> None:
    """On a phone the filters are folded away."""
    toggle = page.locator(".filters-toggle summary")
    if toggle.is_visible():
        toggle.click()


def refresh(page: Page) -> None:
    """What the page does by itself every 15 seconds, now."""
    page.evaluate(
        "() => new Promise((done) => document.dispatchEvent("
        "new CustomEvent('keepa_deals:refresh', { detail: done })))"
    )


# -- browse --------------------------------------------------------------------------------------
def test_deals_are_shown_and_nothing_is_wider_than_the_screen(each_page: Page) -> None:
    assert len(rows(each_page)) == 50
    assert each_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    each_page.goto("/?layout=cards")
    assert len(rows(each_page)) == 50
    assert each_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_search_narrows_the_list_and_is_a_chip_to_take_away(page: Page) -> None:
    asin = rows(page)[0].split("-")[1]
    open_filters(page)
    page.get_by_label("Search").fill(asin)
    page.get_by_label("Search").press("Enter")
    page.wait_for_url(re.compile(rf"\?q={asin}(&sort=\w+&order=\w+&interval=\w+&status=live&limit=50)?$"))
    assert rows(page) == [f"1-{asin}"]
    page.get_by_role("link", name=f"“{asin}” , take away").click()
    expect(page.locator("[data-key]")).to_have_count(50)


def test_a_price_filter_and_paging(page: Page) -> None:
    open_filters(page)
    page.get_by_label("Price, $ to").fill("40")
    page.get_by_role("button", name="Show deals").click()
    page.wait_for_url(re.compile("price_max=40"))
    prices = page.locator("[data-key] .price b").all_text_contents()
    assert prices
    assert all(float(price.replace("$", "").replace(",", "")) <= 40 for price in prices)
    first = rows(page)
    page.get_by_role("link", name="More →").click()
    page.wait_for_url(re.compile("cursor="))
    assert not set(first) & set(rows(page))
    page.get_by_role("link", name="← Before").click()
    expect(page.locator("[data-key]").first).to_have_attribute("data-key", first[0])


def test_headers_sort_and_the_interval_changes_what_is_compared(desk: Page) -> None:
    desk.get_by_role("link", name="Change", exact=True).click()
    desk.wait_for_url(re.compile("sort=discount$"))
    falls = [int(re.sub(r"\D", "", text)) for text in desk.locator(".change b").all_inner_texts()]
    assert falls == sorted(falls, reverse=True)
    desk.get_by_role("group", name="Change over").get_by_role("link", name="Day").click()
    desk.wait_for_url(re.compile("interval=day&sort=discount_day"))
    expect(desk.locator("th[aria-sort=descending]")).to_contain_text("Change")


def test_a_category_applies_as_it_is_chosen_without_leaving_the_page(desk: Page) -> None:
    desk.evaluate("window.stays = true")
    box = desk.get_by_role("group", name="Categories").get_by_role("checkbox").first
    everything = rows(desk)
    box.check()
    desk.wait_for_url(re.compile(r"/\?category=\d+$"))
    expect(desk.get_by_role("group", name="Categories").get_by_role("checkbox").first).to_be_focused()
    assert len(set(desk.locator("[data-key] .where").all_inner_texts())) == 1
    expect(desk.get_by_role("status")).to_have_text(re.compile(r"^\d+ live deals$"))
    desk.get_by_role("group", name="Layout").get_by_role("link", name="Cards").press("Enter")
    desk.wait_for_url(re.compile(r"layout=cards$"))
    expect(desk.get_by_role("group", name="Layout").get_by_role("link", name="Cards")).to_be_focused()
    desk.get_by_label("Search").fill("being typed")
    desk.get_by_role("group", name="Status").get_by_role("link", name=re.compile("Ended")).click()
    desk.wait_for_url(re.compile(r"status=ended&layout=cards$"))
    expect(desk.get_by_role("searchbox", name="Search")).to_have_value("")  # the link led to another view
    desk.go_back()
    desk.go_back()
    desk.wait_for_url(re.compile(r"category=\d+$"))
    expect(desk.locator("tr[data-key]").first).to_be_visible()
    desk.go_back()
    expect(desk.get_by_role("group", name="Categories").get_by_role("checkbox").first).not_to_be_checked()
    assert len(set(desk.locator("[data-key] .where").all_inner_texts())) > 1
    assert len(rows(desk)) == len(everything), "not the same ones: deals arrive"
    assert desk.evaluate("window.stays") is True
    desk.route(
        "**/?q=*",
        lambda route: route.abort() if "fetch" in route.request.resource_type else route.continue_(),
    )
    desk.get_by_label("Search").fill("the")
    desk.get_by_label("Search").press("Enter")
    desk.wait_for_url(re.compile("q=the"))
    expect(desk.get_by_label("Search")).to_have_value("the")
    assert desk.evaluate("window.stays") is None  # a plain navigation, as without the script


def test_a_view_is_kept_under_a_name_and_forgotten(plain: Page) -> None:
    plain.goto("/?price_max=30&sort=price")
    plain.get_by_text("Save this view").click()
    plain.get_by_label("Name").fill("Small change")
    plain.get_by_role("button", name="Save").click()
    kept = plain.locator(".views a.own", has_text="Small change")
    expect(kept).to_have_attribute("aria-current", "page")
    plain.goto("/")
    kept.click()
    plain.wait_for_url(re.compile(r"price_max=30\.00&sort=price"))
    plain.get_by_role("link", name="Delete “Small change”…").click()
    expect(plain.get_by_role("heading", name="Delete the view “Small change”?")).to_be_visible()
    plain.get_by_role("button", name="Delete it").click()
    expect(kept).to_have_count(0)
    plain.get_by_role("button", name="Undo").click()
    expect(kept).to_have_attribute("aria-current", "page")
    plain.get_by_role("link", name="Delete “Small change”…").click()
    plain.get_by_role("button", name="Delete it").click()
    expect(kept).to_have_count(0)


def test_a_mistyped_filter_stays_marked_and_loses_no_other(page: Page) -> None:
    page.goto("/?price_max=90")
    open_filters(page)
    page.get_by_label("Sales rank to").fill("5k")
    page.get_by_label("Sales rank to").press("Enter")
    field = page.get_by_label("Sales rank to")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("5k")
    expect(field).to_have_accessible_description(re.compile("“5k” is not understood: type a whole number"))
    expect(field).to_be_visible()
    expect(page.get_by_role("group", name="What is not understood")).to_contain_text(
        "1 value is not in force"
    )
    expect(page.get_by_role("status")).to_contain_text("“5k” is not understood")
    expect(page.get_by_role("link", name=re.compile(r"Price ≤ \$90\.00"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    serious = [
        v["id"] for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")
    ]
    assert serious == []
    field.fill("5,000")
    field.press("Enter")
    page.wait_for_url(re.compile(r"price_max=90.*rank_max=5"))
    expect(page.locator("[aria-invalid]")).to_have_count(0)


# -- keyboard and readers ------------------------------------------------------------------------
def test_keys_lead_to_search_deals_and_help(desk: Page) -> None:
    desk.keyboard.press("/")
    expect(desk.get_by_label("Search")).to_be_focused()
    desk.keyboard.type("j?")  # in a field they are letters
    expect(desk.get_by_label("Search")).to_have_value("j?")
    desk.get_by_label("Search").blur()
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    expect(desk.locator("[data-key]").nth(1).locator("a.open")).to_be_focused()
    desk.keyboard.press("k")
    expect(desk.locator("[data-key]").first.locator("a.open")).to_be_focused()
    desk.keyboard.press("?")
    expect(desk.get_by_role("dialog", name="Keys")).to_be_visible()
    desk.keyboard.press("Escape")
    desk.keyboard.press("Enter")
    desk.wait_for_url(re.compile("/deals/1/"))


@pytest.mark.parametrize(
    ("held", "leads"), [({"modifierAltGraph": True}, True), ({}, False)], ids=["AltGr", "Ctrl and Alt"]
)
def test_a_bracket_that_a_keyboard_has_on_altgr_leads_on(
    desk: Page, held: dict[str, bool], leads: bool
) -> None:
    first = rows(desk)[0]
    key = {"key": "]", "ctrlKey": True, "altKey": True, "bubbles": True, **held}
    was_free = desk.evaluate(
        "(key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { cancelable: true, ...key }))",
        key,
    )
    assert was_free is not leads
    if leads:
        desk.wait_for_url(re.compile("cursor="))
        expect(desk.locator(f'[data-key="{first}"]')).to_have_count(0)


def test_everything_is_reached_with_the_tab_key(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the deals")).to_be_focused()
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('[data-key]') !== null"):
            return
    raise AssertionError("no deal was reached")


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(("/?price_max=60", "/health", "a deal"), id="the usual pages"),
        pytest.param(
            ("/?layout=cards&limit=20", "/?price_max=0.01", "/nothing"),
            id="the rarer ones",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_axe_finds_nothing_serious(page: Page, addresses: tuple[str, ...]) -> None:
    deal = page.locator("a.open").first.get_attribute("href") or ""
    for address in addresses:
        page.goto(deal if address == "a deal" else address)
        open_filters(page)
        found = Axe().run(page).response["violations"]
        serious = [
            f"{address} {v['id']}: {v['nodes'][0]['html'][:200]}"
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == []


# -- live ----------------------------------------------------------------------------------------
def test_a_dashboard_that_dies_is_admitted(page: Page) -> None:
    page.route("**/live**", lambda route: route.abort())
    refresh(page)
    expect(page.locator("#taken")).to_contain_text("does not answer")
    assert len(rows(page)) == 50


def test_a_banner_says_since_when_and_why_the_deals_may_be_old(desk: Page, service: Service) -> None:
    ask(f"{service.sandbox}/_sandbox/faults", {"502": 1}, method="PUT")
    try:
        service.wait_for(lambda s: any(p["name"] == "upserter_behind" for p in s["problems"]))
        refresh(desk)
        said = r"The deals may be old: nothing has been refreshed since \d\d:\d\d UTC.*last run failed"
        expect(desk.locator("#banner")).to_contain_text(re.compile(said, re.DOTALL))
        desk.goto("/health")
        expect(desk.get_by_role("heading", name="Refreshing is behind")).to_be_visible()
    finally:
        ask(f"{service.sandbox}/_sandbox/faults", {}, method="PUT")
        service.wait_for(lambda s: not s["problems"])
