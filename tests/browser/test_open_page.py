"""A page that stays open: it neither shows old as fresh nor loses its reader's place."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Still
from tests.browser.test_dashboard import refresh, rows

pytestmark = pytest.mark.slow

HOURS = 2


def tab(page: Page, name: str) -> Locator:
    """A status, of which the switch says how many deals it has."""
    return page.get_by_role("group", name="Status").get_by_role("link", name=re.compile(name))


def test_a_changed_price_is_marked_in_its_place(open_page: Page, still: Still) -> None:
    row = open_page.locator('[data-key]:not([data-price=""])').nth(20)
    key = row.get_attribute("data-key") or ""
    row.locator("a.open").focus()
    was = row.locator(".price b").inner_text()
    still.reprice(key.split("-")[1], 99_999)
    refresh(open_page)
    expect(row).to_have_attribute("data-key", key)
    expect(row.locator(".changed")).to_contain_text("$999.99")
    expect(row.locator(".changed")).to_contain_text(f"changed, was {was}")
    expect(row.locator("a.open")).to_be_focused()


def test_new_deals_wait_until_they_are_asked_for(open_page: Page, still: Still) -> None:
    before = rows(open_page)
    still.find_one()
    refresh(open_page)
    news = open_page.locator("#news")
    expect(news).to_have_text("1 new deal")
    assert rows(open_page) == before
    news.click()
    open_page.wait_for_url(re.compile("since="))
    expect(news).to_be_hidden()
    expect(open_page.locator("[data-key].new")).to_have_count(1)


# -- old is not fresh ----------------------------------------------------------------------------
@pytest.mark.parametrize("layout", ["table", pytest.param("cards", marks=pytest.mark.nightly)])
def test_a_deal_found_long_ago_and_just_seen_is_not_overdue(
    open_page: Page, still: Still, layout: str
) -> None:
    still.see_all()
    open_page.goto(f"/?layout={layout}")
    refresh(open_page)
    assert open_page.locator("[data-key].live").count() == 50
    assert "ago" in open_page.locator("[data-part=when] time").first.inner_text()
    expect(open_page.locator(".overdue")).to_have_count(0)


@pytest.mark.parametrize("layout", ["table", pytest.param("cards", marks=pytest.mark.nightly)])
def test_deals_whose_time_has_passed_are_marked_though_nobody_answers(
    open_page: Page, still: Still, layout: str
) -> None:
    still.see_all()
    open_page.clock.install()
    open_page.goto(f"/?layout={layout}")
    open_page.route("**/live**", lambda route: route.abort())
    open_page.clock.fast_forward(timedelta(hours=HOURS) // timedelta(milliseconds=1))
    refresh(open_page)
    expect(open_page.locator(".overdue .seen")).to_have_count(50)
    expect(open_page.locator(".overdue .seen").first).to_contain_text(f"seen {HOURS} h ago")


def test_a_page_out_of_the_cache_is_as_old_as_it_is(cached_page: Page, still: Still) -> None:
    still.see_all()
    cached_page.goto("/")
    expect(cached_page.locator("tr .seen").first).to_have_text("seen just now")
    cached_page.goto("/health")
    later = timedelta(hours=HOURS) // timedelta(milliseconds=1)
    cached_page.add_init_script(f"const now = Date.now; Date.now = () => now() + {later};")
    still.die()
    cached_page.go_back()
    expect(cached_page.locator("#taken")).to_contain_text("does not answer")
    expect(cached_page.locator("tr .seen").first).to_have_text(f"seen {HOURS} h ago")
    expect(cached_page.locator(".overdue .seen")).to_have_count(50)


def test_a_page_out_of_the_cache_renews_itself_at_once(cached_page: Page, still: Still) -> None:
    still.see_all()
    cached_page.goto("/")
    stale = tab(cached_page, "Stale").inner_text()
    cached_page.goto("/health")
    still.lose_one()
    cached_page.go_back()
    expect(tab(cached_page, "Stale")).not_to_have_text(stale)


# -- the focus -----------------------------------------------------------------------------------
def test_a_refresh_leaves_the_focus_on_what_it_renews(open_page: Page, still: Still) -> None:
    still.see_all()
    open_page.goto("/?sold_min=1")
    for control, changes in (
        (tab(open_page, "Stale"), lambda: still.lose_one()),
        (open_page.get_by_role("link", name="show them"), lambda: still.lose_one()),
    ):
        control.focus()
        before = open_page.locator("#statuses").inner_text()
        changes()
        refresh(open_page)
        expect(open_page.locator("#statuses")).not_to_have_text(before)
        expect(control).to_be_focused()


def test_asking_for_new_deals_by_key_leads_to_the_list(open_page: Page, still: Still) -> None:
    still.find_one()
    refresh(open_page)
    news = open_page.locator("#news")
    news.focus()
    still.find_one()
    refresh(open_page)
    expect(news).to_have_text("2 new deals")
    expect(news).to_be_focused()
    open_page.keyboard.press("Enter")
    open_page.wait_for_url(re.compile("since="))
    expect(open_page.locator("[data-key].new")).to_have_count(2)
    expect(open_page.locator("#results")).to_be_focused()


# -- back and forward ----------------------------------------------------------------------------
def test_going_forward_before_going_back_was_answered_stays(open_page: Page) -> None:
    open_page.goto("/?sort=price")
    tab(open_page, "Ended").click()
    open_page.wait_for_url(re.compile("status=ended"))
    expect(open_page.locator("[data-key].ended").first).to_be_visible()
    asked, waiting = threading.Event(), []

    def hold(route: Route) -> None:
        waiting.append(route)
        asked.set()

    open_page.route(re.compile(r"/\?sort=price$"), hold)
    with open_page.expect_request(re.compile(r"/\?sort=price$")):
        open_page.evaluate("history.back()")
    open_page.evaluate("history.forward()")
    open_page.wait_for_url(re.compile("status=ended"))
    expect(open_page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    for route in waiting:
        route.continue_()
    refresh(open_page)  # comes after what was held
    assert "status=ended" in open_page.url
    expect(tab(open_page, "Ended")).to_have_attribute("aria-current", "true")
    expect(open_page.locator("[data-key].ended").first).to_be_visible()
