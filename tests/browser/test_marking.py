"""Deals of the list, marked by keys and in bulk without leaving it."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect


def keys_of(page: Page) -> list[str]:
    keys: list[str] = page.locator("#deals [data-key]").evaluate_all("all => all.map(row => row.dataset.key)")
    return keys


def in_focus(page: Page) -> str | None:
    key: str | None = page.evaluate("document.activeElement.closest('[data-key]')?.dataset.key")
    return key


def test_deals_are_hidden_starred_and_undone_by_keys(still_page: Page) -> None:
    page = still_page
    page.goto("/?limit=50")
    page.wait_for_function("performance.getEntriesByName('keepa_deals:ready').length > 0")
    page.evaluate("window.stays = true")
    keys = keys_of(page)
    for key in "jhhh":  # faster than any answer: each means the next deal
        page.keyboard.press(key)
    expect(page.locator("#undo")).to_contain_text("Hidden: 1 deal")
    expect(page.locator("#total")).to_contain_text("3 hidden by you")
    assert keys_of(page)[:47] == keys[3:]
    assert in_focus(page) == keys[3]
    page.keyboard.press("u")
    expect(page.locator("#total")).to_contain_text("2 hidden by you")
    assert in_focus(page) == keys_of(page)[0] == keys[2]
    page.keyboard.press("s")
    expect(page.locator(f'[value="unstar:{keys[2]}"]')).to_have_count(1)
    assert in_focus(page) == keys[2]
    assert page.evaluate("window.stays")
    page.keyboard.press("e")
    page.wait_for_url("**/deals/1/*#mark-note")
    assert page.evaluate("document.activeElement.name") == "note"


def test_chosen_deals_are_marked_together_and_the_bar_is_accessible(still_page: Page) -> None:
    page = still_page
    page.goto("/?limit=20")
    keys, bar = keys_of(page), page.locator("form.marking")
    expect(bar).to_be_hidden()
    for at in (0, 2):
        page.locator('[name="key"]').nth(at).check()
    expect(bar).to_contain_text("2 chosen")
    serious = [
        one["id"]
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    bar.get_by_role("button", name="Hide", exact=True).click()
    expect(page.locator("#undo")).to_contain_text("Hidden: 2 deals")
    assert keys[0] not in keys_of(page)
    assert keys_of(page)[0] == in_focus(page) == keys[1]
    page.locator("#undo button").click()
    expect(page.locator("#undo")).to_have_count(0)
    assert keys_of(page) == keys
    assert in_focus(page) == keys[0]
    page.keyboard.press("j")
    for key in "jxkh":  # what is chosen stays so when another deal goes
        page.keyboard.press(key)
    expect(page.locator("#undo")).to_contain_text("Hidden: 1 deal")
    expect(bar).to_contain_text("1 chosen")
    assert in_focus(page) == keys[2]


def test_what_leaves_a_list_of_starred_deals_hands_the_focus_on(still_page: Page) -> None:
    page = still_page
    page.goto("/?limit=20")
    for at in (0, 1, 2):
        page.locator('[name="key"]').nth(at).check()
    page.locator("form.marking").get_by_role("button", name="Star", exact=True).click()
    expect(page.locator("#undo")).to_contain_text("Starred: 3 deals")
    page.goto("/?marked=starred")
    keys = keys_of(page)
    page.locator("a.open").nth(1).focus()
    page.keyboard.press("h")
    expect(page.locator("#undo")).to_contain_text("Hidden: 1 deal")
    assert (keys_of(page), in_focus(page)) == (keys, keys[1])
    page.keyboard.press("s")
    expect(page.locator("#undo")).to_contain_text("Star taken away: 1 deal")
    assert (keys_of(page), in_focus(page)) == ([keys[0], keys[2]], keys[2])
