"""The browser writes numbers, ages and moments as the server does: the same table, the same arithmetic."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page

from keepa_deals import formats
from keepa_deals.deals import money
from keepa_deals.formats import COUNT, PERCENT, PERCENT_TENTHS, SECONDS, STARS, as_data, write
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.web.http import static_files

pytestmark = pytest.mark.slow

NOTATIONS = {
    **{f"money of amazon.{place.tld}": money.notation(place.domain_id) for place in MARKETPLACES.values()},
    "counts and ranks": COUNT,
    "percent": PERCENT,
    "tenths of a percent": PERCENT_TENTHS,
    "stars": STARS,
    "seconds": SECONDS,
}
MANY = 1000


def values(source: random.Random) -> list[int | None]:
    """Numbers of every length and sign, the borders of rounding among them, and the unknown."""
    lengths = [source.choice((-1, 1)) * source.randrange(10 ** source.randrange(1, 16)) for _ in range(MANY)]
    halves = [sign * (100 * n + half) for n in range(60) for half in (5, 49, 50, 51) for sign in (-1, 1)]
    return [None, 0, 2**53 - 1, 1 - 2**53, *lengths, *halves]


def ask(page: Page, function: str, *arguments: Any) -> list[str]:
    """What a function of formats.js makes of each value."""
    module = f"{static_files.address()}/formats.js"
    script = """async ([module, name, values, more]) => {
        const found = (await import(module))[name];
        return values.map((value) => found(value, ...more));
    }"""
    answer: list[str] = page.evaluate(script, [module, function, arguments[0], list(arguments[1:])])
    return answer


def differences(asked: list[Any], browser: list[str], server: Callable[[Any], str]) -> list[Any]:
    expected = [server(value) for value in asked]
    return [trio for trio in zip(asked, browser, expected, strict=True) if trio[1] != trio[2]]


def test_numbers_are_the_same_on_both_sides(still_page: Page) -> None:
    for kind, notation in NOTATIONS.items():
        asked = values(random.Random(kind))
        told = ask(still_page, "write", asked, as_data(notation))
        assert differences(asked, told, partial(write, notation=notation)) == [], kind


def test_the_page_carries_the_rules_of_its_scripts(still_page: Page) -> None:
    asked = values(random.Random(7))
    for name, notation in (("count", COUNT), ("percentTenths", PERCENT_TENTHS), ("seconds", SECONDS)):
        assert differences(asked, ask(still_page, name, asked), partial(write, notation=notation)) == []


def test_ages_are_the_same_on_both_sides(still_page: Page) -> None:
    source = random.Random(3)
    borders = [unit + by for unit in (0, 60, 3600, 48 * 3600, 86_400) for by in (-1, -0.001, 0, 0.001, 1)]
    asked = [*borders, *(source.uniform(-100, 10 ** source.randrange(1, 9)) for _ in range(MANY))]
    assert differences(asked, ask(still_page, "age", asked), formats.age) == []


def test_moments_are_the_same_on_both_sides(still_page: Page) -> None:
    source = random.Random(5)
    begin = datetime(1990, 1, 1, tzinfo=UTC)
    moments = [begin + timedelta(seconds=source.uniform(0, 2.5e9)) for _ in range(MANY)]
    asked = [at.timestamp() for at in moments]
    for name, pattern in (("moment", formats.MOMENT), ("clock", formats.CLOCK)):
        expected = [formats.moment(at, pattern) for at in moments]
        assert ask(still_page, name, asked) == expected
