"""What a moment in the past or in the future tells when clocks differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keepa_deals.clock import CLOCK_TOLERANCE, is_ahead, is_overdue

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LIMIT = timedelta(minutes=6)


@pytest.mark.parametrize(
    ("last", "overdue"),
    [
        (None, True),
        (NOW - LIMIT, False),
        (NOW - LIMIT - SECOND, True),
        (NOW + CLOCK_TOLERANCE, False),
        (NOW + CLOCK_TOLERANCE + SECOND, True),
    ],
)
def test_what_is_too_old_unknown_or_dated_in_the_future_is_overdue(
    last: datetime | None, overdue: bool
) -> None:
    assert is_overdue(last, NOW, LIMIT) is overdue


def test_clocks_may_differ_a_little_before_one_is_called_ahead() -> None:
    assert not is_ahead(NOW + CLOCK_TOLERANCE, NOW)
    assert is_ahead(NOW + CLOCK_TOLERANCE + SECOND, NOW)
