"""Keepa's two notations of time, and aware UTC (api_backend: KeepaTime).

Keepa minutes count from 2011-01-01T00:00Z; Unix time comes in milliseconds.
This is the only module that knows the epoch.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

KEEPA_EPOCH = datetime(2011, 1, 1, tzinfo=UTC)
KEEPA_EPOCH_MINUTES = 21_564_000
"""Minutes from the Unix epoch to the Keepa epoch."""
MS_PER_MINUTE = 60_000

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def from_keepa_minutes(minutes: int) -> datetime:
    """The aware UTC moment of a Keepa time in minutes."""
    return KEEPA_EPOCH + timedelta(minutes=minutes)


def to_keepa_minutes(moment: datetime) -> int:
    """The Keepa minute in which an aware ``moment`` lies (rounded down)."""
    return unix_ms(moment) // MS_PER_MINUTE - KEEPA_EPOCH_MINUTES


def from_unix_ms(ms: int) -> datetime:
    """The aware UTC moment of a Unix time in milliseconds."""
    return _UNIX_EPOCH + timedelta(milliseconds=ms)


def unix_ms(moment: datetime) -> int:
    """Unix milliseconds of an aware ``moment`` (rounded down); a naive one is a ``ValueError``."""
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: times are aware UTC")
    return (moment - _UNIX_EPOCH) // _MILLISECOND
