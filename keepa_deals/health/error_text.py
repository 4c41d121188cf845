"""Errors and log lines in words that a person can act on, with nothing secret in them."""

from __future__ import annotations

import redis
from sqlalchemy.exc import DBAPIError

from keepa_deals.errors import KeepaDealsError
from keepa_deals.redaction import HIDDEN, redact

__all__ = ["HIDDEN", "describe", "redact"]


def describe(error: BaseException) -> str:
    """One line for ``error``: what failed, in the words of whoever refused."""
    return redact(" ".join(_text(error).split()))


def _text(error: BaseException) -> str:
    match error:
        case KeepaDealsError():
            return str(error)
        case redis.exceptions.AuthenticationError():
            return f"Redis refuses the password ({error})"
        case redis.exceptions.TimeoutError():
            return f"Redis does not answer in time ({error})"
        case redis.exceptions.ConnectionError():
            return f"Redis does not answer ({error})"
        case redis.exceptions.RedisError():
            return f"Redis refuses: {error}"
        case DBAPIError():
            return f"the database refuses: {error.orig}"
        case PermissionError():
            return f"no permission for {error.filename}"
        case FileNotFoundError():
            return f"{error.filename} does not exist"
        case _:
            return f"{type(error).__name__}: {error}"
