"""The chart of a deal in a real browser: lines that a reader switches, marks, and figures that agree."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from keepa_deals import formats
from keepa_deals.db.models import Deal
from keepa_deals.db.upsert import write_pasts
from keepa_deals.deals.economics import calculation, pricing
from keepa_deals.deals.money import money
from keepa_deals.deals.price_history import Line, Past, pack
from keepa_deals.ingest.columns import store
from tests.browser.conftest import Still

pytestmark = pytest.mark.slow
DAY = 1440


def a_year() -> Past:
    """A year that ends now, with every kind of line."""
    now = int(datetime.now(UTC).timestamp()) // 60
    prices = tuple((now - days * DAY, 2000 + 17 * (days % 40)) for days in range(364, 0, -4))
    ranks = tuple((now - days * DAY, 9000 - 80 * (days % 30)) for days in range(364, 0, -2))
    amazon = ((now - 300 * DAY, 2600), (now - 220 * DAY, None), (now - 60 * DAY, 2500))
    lines = {
        **{
            line: tuple((at, (value or 0) + 300) for at, value in prices) for line in (Line.NEW, Line.BUY_BOX)
        },
        Line.AMAZON: amazon,
        Line.OFFERS: ((now - 364 * DAY, 4), (now - 90 * DAY, 9)),
        Line.RATING: ((now - 364 * DAY, 45),),
        Line.YEAR_BEFORE: ((now - 700 * DAY, 1800), (now - 400 * DAY, 2200), (now - 365 * DAY, None)),
    }
    return Past(prices, ranks, lines, tuple(at for at, _ in ranks[::15]))


def a_deal_with_a_past(still: Still) -> str:
    """Its address."""
    with still.database.begin() as session:
        deal = session.scalars(select(Deal).where(Deal.ended_at.is_(None)).limit(1)).one()
        row = {"domain_id": deal.domain_id, "asin": deal.asin, "read_at": datetime.now(UTC)}
        write_pasts(session, [{**row, "price_type": deal.price_type, "packed": pack(a_year())}])
        return f"/deals/{deal.domain_id}/{deal.asin}"


def test_lines_are_switched_by_hand_and_stay_so(open_page: Page, still: Still) -> None:
    page, address = open_page, a_deal_with_a_past(still)
    page.goto(address)
    lines = page.get_by_role("group", name="Lines shown")
    names = ["Average", "Rank", "Sales", "Amazon on it", "Amazon", "New", "Buy box", "Offers", "Rating"]
    expect(lines.get_by_role("button")).to_have_text([*names, "A year before"])
    on = [name for name in names if pressed(page, name)]
    assert on == ["Average", "Rank", "Sales", "Amazon on it"]
    legend = page.locator(".u-legend")
    expect(legend.get_by_text("Rating")).to_be_hidden()
    for name in ("Rating", "Offers", "A year before"):
        lines.get_by_role("button", name=name, exact=True).press("Enter")
    lines.get_by_role("button", name="Rank", exact=True).click()
    page.get_by_role("button", name="All", exact=True).click()
    box = page.locator(".u-over").bounding_box()
    assert box
    page.locator(".u-over").hover(position={"x": box["width"] / 2, "y": 60})
    expect(legend.locator("tr", has_text="Rating")).to_contain_text("4.5")
    expect(legend.locator("tr", has_text="Offers")).to_contain_text("4")
    expect(legend.locator("tr", has_text="A year before")).to_contain_text("$18.00")
    expect(legend.get_by_text("Rank, Keepa")).to_be_hidden()
    page.goto(address)
    assert [pressed(page, name) for name in ("Rating", "Rank", "New")] == [True, False, False]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def pressed(page: Page, name: str) -> bool:
    button = page.get_by_role("group", name="Lines shown").get_by_role("button", name=name, exact=True)
    return button.get_attribute("aria-pressed") == "true"


@pytest.mark.nightly
def test_the_pages_what_if_answers_what_the_list_says(open_page: Page, still: Still) -> None:
    """The rules of the browser are those of the server, on each deal of a filled table."""
    page = open_page
    with still.database.begin() as session:
        for deal in session.scalars(select(Deal)):  # what was drawn for them is no one's calculation
            store(calculation.of(deal, pricing.DEFAULT), deal)
    page.goto("/?status=all&limit=120")
    found = page.locator("[data-key]").evaluate_all(
        "rows => rows.map(row => [row.querySelector('a[href*=\"/deals/\"]').getAttribute('href'), "
        "row.querySelector('[data-part=worth] span').textContent])"
    )
    assert len(found) == 120
    for address, profit in found:
        page.goto(address)
        buy = page.get_by_role("textbox", name="Buy", exact=True)
        with page.expect_response("**/economics*"):
            buy.fill("1")
        with page.expect_response("**/economics*"):
            buy.fill("")
        expect(page.locator("tr.touched")).to_have_count(0)
        expect(page.locator("[data-result=profit]")).to_have_text(profit)


TYPED = (
    {"buy": "1"},
    {"sell": "49.99", "referral": "8.25", "prep": "0.99"},
    {"buy": "12.34", "quantity": "3", "buy_shipping": "7", "fba": "0"},
    {"sell": "0", "returns": "100"},
)
"""What somebody may type, by the names of the terms."""
TERMS = sorted({name for typed in TYPED for name in typed})


@pytest.mark.nightly
def test_page_and_api_answer_the_same_whatever_is_typed(still_page: Page, still: Still) -> None:
    page = still_page
    with still.database.session() as session:
        rows = session.execute(select(Deal.domain_id, Deal.asin).order_by(Deal.asin).limit(12)).all()
    for domain_id, asin in rows:
        page.goto(f"/deals/{domain_id}/{asin}")
        for fold in page.locator(".more-terms > summary").all():
            fold.click()
        for typed in TYPED:
            with page.expect_response(lambda answer, typed=typed: all(text in answer.url for text in typed)):
                for name in TERMS:
                    page.locator(f"#term-{name}").fill(typed.get(name, ""))
            told = page.request.get(f"/api/deals/{domain_id}/{asin}/economics", params=typed).json()
            for name in ("profit", "break_even"):
                text = formats.UNKNOWN if told[name] is None else money(told[name], domain_id)
                expect(page.locator(f"[data-result={name}]")).to_have_text(text)


def test_the_choices_of_terms_are_read_whole(open_page: Page) -> None:
    """A select as wide as its column cut "as the deployment" in two on a phone."""
    open_page.goto("/terms")
    cut = open_page.locator(".terms select").evaluate_all(
        """selects => selects.filter(select => {
            const whole = select.cloneNode(true);
            whole.style.cssText = "display: inline-block; width: auto; max-width: none; position: absolute";
            document.body.append(whole);
            const needed = whole.getBoundingClientRect().width;
            whole.remove();
            return select.getBoundingClientRect().width < needed;
        }).map(select => select.name)"""
    )
    assert cut == []
    assert open_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
