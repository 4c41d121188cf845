"""People of a home come into a database that has none: a new one, or one of the version before people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from keepa_deals.db.models.people import PersonRow
from keepa_deals.db.session import Database
from keepa_deals.people.access_file import Access, AccessFile
from keepa_deals.people.person import Register
from keepa_deals.people.registry import FIRST_ADMIN, lock_people, read_register, token_row
from keepa_deals.roles import Role, Scope


def take_over(database: Database, file: AccessFile, now: datetime) -> Register:
    """Everybody there is now. Into an empty table comes who stands in the home's file; the single password
    of before becomes the first admin's, and its tokens theirs. Once there is anybody, the table decides."""
    with database.session() as reading:  # a start must not wait for whoever holds the database
        register = read_register(reading.connection())
    held = file.read()
    if not register.accounts and (held.register.accounts or held.password is not None):
        with database.begin() as session:
            lock_people(session)
            register = read_register(session.connection())
            if not register.accounts:
                _bring_in(session, held, now)
                session.flush()
                register = read_register(session.connection())
    file.mirror(register)
    return register


def _bring_in(session: Session, access: Access, now: datetime) -> None:
    if access.register.accounts:
        _bring_register(session, access.register)
    elif access.password is not None:
        admin = PersonRow(name=FIRST_ADMIN, role=Role.ADMIN, password_hash=access.password, created_at=now)
        session.add(admin)
        session.flush()
        for old in access.unowned:
            session.add(token_row(admin.id, old.name, old.digest, Scope.READ, old.created_at))


def _bring_register(session: Session, register: Register) -> None:
    """As they are, but for the ids: those are the table's to give."""
    given: dict[int | None, int] = {}
    for one in register.accounts:
        row = PersonRow(
            name=one.person.name,
            role=one.person.role,
            password_hash=one.password_hash,
            created_at=one.created_at,
        )
        session.add(row)
        session.flush()
        given[one.person.id] = row.id
    for token in register.tokens:
        owner = given[token.person_id]
        session.add(token_row(owner, token.name, token.digest, token.scope, token.created_at))
