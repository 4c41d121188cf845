"""The price of the year before, out of what earlier looks kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from keepa_deals.deals.price_history import Line, Past
from keepa_deals.deals.price_shares import at_share, held_prices
from keepa_deals.deals.year_before import year_before

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def minute(month: int, day: int, year: int = 2025) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) // 60


SINCE = minute(1, 1, 2026)
"""The year that is kept begins here: the one before is 2025."""


def test_each_month_has_the_price_that_stood_for_most_of_it() -> None:
    prices = ((minute(3, 1), 1000), (minute(3, 20), 9000), (minute(4, 5), None), (minute(4, 25), 1200))
    found = year_before(Past(prices, ()), minute(6, 1), SINCE)
    assert found == (
        (SINCE - 365 * 1440, None),
        (minute(3, 1), 1000),
        (minute(4, 1), 1200),  # four days at 9000, six at 1200
        (minute(6, 1), None),
    )


def test_what_an_earlier_look_already_had_of_that_year_stays() -> None:
    earlier = ((minute(2, 1), 700), (minute(3, 1), None))
    kept = Past(((minute(5, 1), 800),), (), {Line.YEAR_BEFORE: earlier})
    found = year_before(kept, minute(5, 20), SINCE)
    assert found == (
        (SINCE - 365 * 1440, None),
        (minute(2, 1), 700),
        (minute(3, 1), None),
        (minute(5, 1), 800),
        (minute(6, 1), None),
    )


def test_nothing_is_known_of_it_at_the_first_looks() -> None:
    now = NEW_YEAR + timedelta(days=20)
    recent = ((SINCE + 60, 1000),)
    assert year_before(Past(recent, ()), int(now.timestamp()) // 60, SINCE) == ()
    assert year_before(Past((), ()), SINCE, SINCE) == ()


def test_a_share_of_the_time_is_that_of_known_prices_only() -> None:
    held = held_prices(((0, 100), (10, None), (90, 300)), 100)
    assert [at_share(held, share) for share in (0.05, 0.5, 0.51, 0.95)] == [100, 100, 300, 300]
    assert at_share(held_prices((), 5), 0.5) is None
    assert at_share(held_prices(((5, 100),), 5), 0.5) is None
