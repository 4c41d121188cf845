"""People for tests: set up in a home's database and its copy, as the commands do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.people import passwords
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.person import Register
from keepa_deals.people.registry import FIRST_ADMIN, Registry
from keepa_deals.roles import Role, Scope
from tests.support.world import START


def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash as always, with the least memory and time that Argon2 knows."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class People:
    """The people of a home whose database is ``deals.db`` in it."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def set_password(self, password: str) -> None:
        """The password of the first admin, who is made where there is nobody."""
        with self._registry() as people:
            first = people.read().first_admin
            if first is None:
                people.add(FIRST_ADMIN, Role.ADMIN, password, START)
            else:
                people.set_password(first.person.name, password)

    def add(self, name: str, role: Role, password: str) -> int:
        """A person, and their id."""
        with self._registry() as people:
            added = people.add(name, role, password, START).id
        assert added is not None
        return added

    def remove(self, name: str) -> None:
        with self._registry() as people:
            people.remove(name)

    def set_role(self, name: str, role: Role) -> None:
        with self._registry() as people:
            people.set_role(name, role)

    def add_token(
        self, name: str, now: datetime, *, owner: str = FIRST_ADMIN, scope: Scope = Scope.READ
    ) -> str:
        with self._registry() as people:
            return people.add_token(owner, name, scope, now)

    def revoke_token(self, name: str) -> None:
        with self._registry() as people:
            people.revoke_token(name)

    def read(self) -> Register:
        with self._registry() as people:
            return people.read()

    @contextmanager
    def _registry(self) -> Iterator[Registry]:
        self._home.mkdir(exist_ok=True)
        database = Database(f"sqlite:///{self._home / 'deals.db'}")
        try:
            if migrate.current(database) is None:
                migrate.upgrade(database)
            yield Registry(database, AccessFile(self._home))
        finally:
            database.close()
