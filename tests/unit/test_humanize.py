"""Ages and lengths of time in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keepa_deals.humanize import age_text, duration_text, iso

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_a_length_of_time_is_told_in_its_largest_fitting_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_an_age_says_never_and_knows_the_future() -> None:
    assert age_text(None, NOW) == "never"
    assert age_text(NOW - timedelta(seconds=5), NOW) == "5 s ago"
    assert age_text(NOW + timedelta(seconds=5), NOW) == "in 5 s"


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    assert iso(NOW) == "2026-11-24T03:00:00.000Z"
    assert iso(None) is None
