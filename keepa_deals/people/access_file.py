"""``access.json`` in the home, mode 0600: a copy of people and tokens (hashes only), and the ended sessions.

The tables are the truth. The copy lets people log in and see why the database is down, and brings them into
the next database when a home gets a new one. ``password`` and ``tokens`` stand as the version before people
read them, so that a deploy can be rolled back.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from keepa_deals import atomic_file
from keepa_deals.people.errors import AccessError
from keepa_deals.people.person import Account, Person, Register, Token
from keepa_deals.roles import Role, Scope

FILE = "access.json"
KEY_FILE = "session.key"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class UnownedToken:
    """A token of the version before people, which reads and is nobody's."""

    name: str
    digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """What the file holds. ``ended`` are sessions logged out: id → Unix second when they are forgotten.

    ``password`` and ``unowned`` are those of a file that the version before people wrote; the tokens wait
    there for the first person.
    """

    register: Register = field(default_factory=Register)
    ended: Mapping[str, int] = field(default_factory=dict)
    password: str | None = None
    unowned: tuple[UnownedToken, ...] = ()


class AccessFile:
    """Reads and changes the file in ``home``. Changes show at once in every process that reads."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / FILE
        self._known: tuple[tuple[int, int, int], Access] | None = None

    # -- reading -----------------------------------------------------------------------------
    def version(self) -> tuple[int, int, int] | None:
        """Changes with the file; ``None`` while there is none."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AccessError(f"{self._path}: cannot be read ({error.strerror})") from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def read(self) -> Access:
        """What it holds; an ``AccessError`` for a file that can't be understood, never "nobody"."""
        version = self.version()
        if version is None:
            return Access()
        known = self._known
        if known is None or known[0] != version:
            known = self._known = (version, self._load())
        return known[1]

    def _load(self) -> Access:
        try:
            return _parsed(json.loads(self._path.read_text(encoding="utf-8")))
        except OSError as error:
            raise AccessError(f"{self._path}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise AccessError(
                f"{self._path}: is damaged; remove it: 'keepa-deals user list' makes it anew from the "
                "database, 'keepa-deals dashboard password' sets a password where nobody is left"
            ) from None

    # -- changing ----------------------------------------------------------------------------
    def mirror(self, register: Register) -> None:
        """Let the file hold the people and tokens of the tables; written only where they differ."""
        with self._locked():
            held = self._readable()
            unowned = () if register.accounts else held.unowned
            wanted = Access(register, held.ended, None, unowned)
            if held != wanted or self.version() is None:
                self._write(wanted)

    def end_session(self, session_id: str, now: datetime, until: datetime) -> None:
        """Refuse a session from now on. It is forgotten at ``until``, when it would have ended by itself."""
        with self._locked():
            held = self.read()
            ended = {key: second for key, second in held.ended.items() if second > now.timestamp()}
            self._write(replace(held, ended={**ended, session_id: int(until.timestamp()) + 1}))

    def session_key(self) -> bytes:
        """The key that signs cookies: made at the first call, the same ever after."""
        path = self._home / KEY_FILE
        with self._locked():
            try:
                key = path.read_bytes()
            except FileNotFoundError:
                key = secrets.token_bytes(_KEY_BYTES)
                _store(path, key)
            except OSError as error:
                raise AccessError(f"{path}: cannot be read ({error.strerror})") from None
        if len(key) < _KEY_BYTES:
            raise AccessError(f"{path}: is damaged; remove it, a new one is made (everybody logs in again)")
        return key

    def _readable(self) -> Access:
        """What the file holds; nothing of a damaged one, which the tables replace."""
        try:
            return self.read()
        except AccessError:
            return Access()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._home / f"{FILE}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise AccessError(f"{self._home}: cannot be written ({error.strerror})") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, access: Access) -> None:
        _store(self._path, json.dumps(_document(access), default=datetime.isoformat, indent=1))


# -- the document --------------------------------------------------------------------------------
def _document(access: Access) -> dict[str, Any]:
    first = access.register.first_admin
    tokens = access.register.tokens or access.unowned
    return {
        "password": access.password if first is None else first.password_hash,
        "tokens": [{name: getattr(token, name) for name in token.__dataclass_fields__} for token in tokens],
        "ended": dict(access.ended),
        "people": [
            {
                "id": one.person.id,
                "name": one.person.name,
                "role": one.person.role,
                "password_hash": one.password_hash,
                "created_at": one.created_at,
            }
            for one in access.register.accounts
        ],
    }


def _parsed(held: Any) -> Access:
    accounts = tuple(
        Account(
            Person(int(one["id"]), str(one["name"]), Role(one["role"])),
            str(one["password_hash"]),
            datetime.fromisoformat(one["created_at"]),
        )
        for one in held.get("people", ())
    )
    ended = {str(key): int(second) for key, second in held["ended"].items()}
    if accounts:
        tokens = tuple(
            Token(t["name"], t["digest"], _moment(t), int(t["person_id"]), Scope(t["scope"]))
            for t in held["tokens"]
        )
        return Access(Register(accounts, tokens), ended)
    unowned = tuple(UnownedToken(t["name"], t["digest"], _moment(t)) for t in held["tokens"])
    return Access(Register(), ended, held["password"], unowned)


def _moment(token: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(token["created_at"])


def _store(path: Path, content: str | bytes) -> None:
    try:
        atomic_file.write(path, content)
    except OSError as error:
        raise AccessError(f"{path}: cannot be written ({error.strerror})") from None
