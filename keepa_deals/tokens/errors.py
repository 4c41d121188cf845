"""Redis's errors as the budget's own: nothing is granted without Redis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from keepa_deals.errors import StoreUnavailableError

RETRY_AFTER = 5.0
"""Seconds after which it is worth asking again what nobody could tell."""


@contextmanager
def store_errors() -> Iterator[None]:
    """Turns an error of Redis into a ``StoreUnavailableError``."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailableError(
            f"Redis does not answer, so no tokens are granted: {error}", retry_after=RETRY_AFTER
        ) from error


def is_about_our_keys(error: redis.ResponseError) -> bool:
    """Whether a script failed over what it found, not over Redis's state (OOM, MISCONF, READONLY, …)."""
    text = str(error)
    return text.startswith("WRONGTYPE") or ("user_script" in text and not re.match(r"[A-Z]{3,} ", text))
