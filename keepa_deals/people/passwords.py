"""Passwords as Argon2id hashes. A check takes 64 MiB and a part of a second, so there is one at a time."""

from __future__ import annotations

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from keepa_deals.people.errors import AccessError

MIN_PASSWORD, MAX_PASSWORD = 12, 1000
_HASHER = PasswordHasher()
_ONE_AT_A_TIME = threading.Lock()


def hashed(password: str) -> str:
    """The hash to keep; an ``AccessError`` for a password that is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccessError(f"the password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return _HASHER.hash(password)


def is_password(password_hash: str | None, password: str) -> bool:
    """Whether this is the password. Without a hash, for a name that nobody has, it takes as long."""
    if len(password) > MAX_PASSWORD:
        return False
    with _ONE_AT_A_TIME:
        try:
            return _HASHER.verify(password_hash or _of_nobody(), password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


@cache
def _of_nobody() -> str:
    return _HASHER.hash("the password of nobody")
