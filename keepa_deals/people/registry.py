"""Changes of people and tokens: in the tables, then in the home's copy of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.orm import Session

from keepa_deals.db.models.people import ApiToken, PersonRow
from keepa_deals.db.session import Database
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.errors import AccessError
from keepa_deals.people.passwords import hashed
from keepa_deals.people.person import Account, Person, Register, Token, digest_of, key_of
from keepa_deals.roles import Role, Scope

MAX_PEOPLE = 500
MAX_NAME = 64
TOKEN_PREFIX = "kd_"  # noqa: S105  # what secret scanners know a leaked token by
FIRST_ADMIN = "admin"
"""The name of the person that a password without a name belongs to."""
_CHANGES_LOCK = 0x6B6565706F


def read_register(connection: Connection) -> Register:
    """Everybody in the tables."""
    people, tokens = PersonRow.__table__.c, ApiToken.__table__.c
    rows = connection.execute(
        select(people.id, people.name, people.role, people.password_hash, people.created_at).order_by(
            people.id
        )
    )
    accounts = tuple(Account(Person(r.id, r.name, Role(r.role)), r.password_hash, r.created_at) for r in rows)
    rows = connection.execute(
        select(tokens.name, tokens.digest, tokens.created_at, tokens.person_id, tokens.scope).order_by(
            tokens.id
        )
    )
    return Register(
        accounts, tuple(Token(r.name, r.digest, r.created_at, r.person_id, Scope(r.scope)) for r in rows)
    )


class Registry:
    """Adds, changes and removes people and tokens of one deployment, each in a transaction of its own."""

    def __init__(self, database: Database, file: AccessFile) -> None:
        self._database = database
        self._file = file

    def read(self) -> Register:
        """Everybody there is; the home's copy is the same afterwards."""
        with self._database.session() as session:
            register = read_register(session.connection())
        self._file.mirror(register)
        return register

    # -- people ------------------------------------------------------------------------------
    def add(self, name: str, role: Role, password: str, now: datetime) -> Person:
        """A new person; an ``AccessError`` for a bad name or password, or a name that is taken."""
        name = " ".join(name.split())
        if problem := wrong_name(name, MAX_NAME):
            raise AccessError(f"{name!r}: {problem}")
        kept = hashed(password)
        with self._changing() as (session, register):
            if (taken := register.named(name)) is not None:
                raise AccessError(f"there is a person {taken.person.name!r} already: choose another name")
            if len(register.accounts) >= MAX_PEOPLE:
                raise AccessError(f"there are {MAX_PEOPLE} people already: remove one first")
            if register.first_admin is None and role is not Role.ADMIN:
                raise AccessError(f"the first person must be an admin: give {name!r} the role 'admin'")
            row = PersonRow(name=name, role=role, password_hash=kept, created_at=now)
            session.add(row)
            session.flush()
            if not register.accounts:
                self._give_unowned_tokens(session, row.id)
            return Person(row.id, name, role)

    def set_password(self, name: str, password: str) -> None:
        """Store the hash of ``password``; every session of that person is over."""
        kept = hashed(password)
        with self._changing() as (session, register):
            self._row(session, register, name).password_hash = kept

    def set_role(self, name: str, role: Role) -> None:
        """Give a person another role; one admin must stay."""
        with self._changing() as (session, register):
            row = self._row(session, register, name)
            if role is not Role.ADMIN and self._is_the_last_admin(register, row):
                raise AccessError(f"{row.name!r} is the last admin: make somebody else one first")
            row.role = role

    def remove(self, name: str) -> None:
        """Take a person away with all that is theirs. The last admin goes last, and opens the dashboard."""
        with self._changing() as (session, register):
            row = self._row(session, register, name)
            if self._is_the_last_admin(register, row) and len(register.accounts) > 1:
                raise AccessError(f"{row.name!r} is the last admin: make somebody else one first")
            session.execute(delete(PersonRow).where(PersonRow.id == row.id))

    def _give_unowned_tokens(self, session: Session, owner: int) -> None:
        """Tokens that were made while there was nobody become the first person's."""
        for old in self._file.read().unowned:
            session.add(token_row(owner, old.name, old.digest, Scope.READ, old.created_at))

    # -- tokens ------------------------------------------------------------------------------
    def add_token(self, owner: str, name: str, scope: Scope, now: datetime) -> str:
        """A new token's secret, which is stored nowhere; an ``AccessError`` when the name is taken."""
        if problem := wrong_name(name, MAX_NAME):
            raise AccessError(f"{name!r}: {problem}")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._changing() as (session, register):
            row = self._row(session, register, owner)
            if any(token.name == name for token in register.tokens):
                raise AccessError(f"there is a token {name!r} already: choose another name, or revoke it")
            session.add(token_row(row.id, name, digest_of(secret), scope, now))
        return secret

    def revoke_token(self, name: str) -> None:
        """Take a token back; an ``AccessError`` when there is none of that name."""
        with self._changing() as (session, register):
            if all(token.name != name for token in register.tokens):
                raise AccessError(f"there is no token {name!r}; see 'keepa-deals dashboard token list'")
            session.execute(delete(ApiToken).where(ApiToken.name == name))

    # -- the transaction -----------------------------------------------------------------------
    @contextmanager
    def _changing(self) -> Iterator[tuple[Session, Register]]:
        """Everybody as they are while nobody else may change them; the copy follows the commit."""
        with self._database.begin() as session:
            lock_people(session)
            yield session, read_register(session.connection())
        self.read()

    @staticmethod
    def _row(session: Session, register: Register, name: str) -> PersonRow:
        account = register.named(name)
        if account is None:
            known = ", ".join(repr(one.person.name) for one in register.accounts) or "nobody yet"
            raise AccessError(f"there is no person {name!r}; there are: {known}")
        return session.get_one(PersonRow, account.person.id)

    @staticmethod
    def _is_the_last_admin(register: Register, row: PersonRow) -> bool:
        admins = [one for one in register.accounts if one.person.role is Role.ADMIN]
        return len(admins) == 1 and admins[0].person.id == row.id


def token_row(owner: int, name: str, digest: str, scope: Scope, created_at: datetime) -> ApiToken:
    return ApiToken(person_id=owner, name=name, digest=digest, scope=scope, created_at=created_at)


def lock_people(session: Session) -> None:
    """Hold off every other change of people until the transaction ends; SQLite does so on its own."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHANGES_LOCK})


def wrong_name(name: str, most: int) -> str:
    """Why nobody can have this name; empty when somebody can."""
    if not name or len(name) > most or not name.isprintable() or key_of(name) == "":
        return f"a name has 1 to {most} printable characters"
    if ":" in name:
        return "a name has no colon, which ends it where programs log in"
    return ""
