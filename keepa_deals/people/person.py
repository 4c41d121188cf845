"""A person as a request knows them, and all that are known at a moment."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.roles import Role, Scope


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. ``id`` is ``None`` for the unnamed reader of a dashboard on loopback that has no people."""

    id: int | None
    name: str
    role: Role


UNNAMED = Person(None, "", Role.ADMIN)
"""Whoever reaches a loopback dashboard without people: they could read its files as well."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person with what they log in by."""

    person: Person
    password_hash: str
    created_at: datetime

    @property
    def stamp(self) -> str:
        """Changes with the password: a session made under another one is over."""
        return hashlib.sha256(self.password_hash.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Token:
    """A program's token: whose it is, and what it may do in their name."""

    name: str
    digest: str
    created_at: datetime
    person_id: int
    scope: Scope


@dataclass(frozen=True, slots=True)
class Register:
    """Everybody who may use the dashboard, in the order in which they came."""

    accounts: tuple[Account, ...] = ()
    tokens: tuple[Token, ...] = ()

    def named(self, name: str) -> Account | None:
        """The account of that name, whatever its case."""
        key = key_of(name)
        return next((one for one in self.accounts if key_of(one.person.name) == key), None)

    def numbered(self, person_id: int) -> Account | None:
        return next((one for one in self.accounts if one.person.id == person_id), None)

    def token(self, secret: str) -> Token | None:
        """The token that ``secret`` is, or ``None``."""
        digest = digest_of(secret)
        return next((token for token in self.tokens if hmac.compare_digest(token.digest, digest)), None)

    @property
    def first_admin(self) -> Account | None:
        return next((one for one in self.accounts if one.person.role is Role.ADMIN), None)


def key_of(name: str) -> str:
    """What two names share that people can't tell apart."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
