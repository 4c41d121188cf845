"""Keepa's minutes and Unix milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.keepa.time import from_keepa_minutes, from_unix_ms, to_keepa_minutes, unix_ms


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_keepa_time_zero_is_2011() -> None:
    assert from_keepa_minutes(0) == utc(2011, 1, 1)
    assert unix_ms(from_keepa_minutes(8_000_000)) == (8_000_000 + 21_564_000) * 60_000


@given(st.integers(0, 50_000_000))
def test_keepa_minutes_survive_the_round_trip(minutes: int) -> None:
    assert to_keepa_minutes(from_keepa_minutes(minutes)) == minutes


@given(st.integers(0, 4_000_000_000_000))
def test_unix_milliseconds_survive_the_round_trip(ms: int) -> None:
    assert unix_ms(from_unix_ms(ms)) == ms


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        unix_ms(datetime(2026, 1, 1))  # noqa: DTZ001
