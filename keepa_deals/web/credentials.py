"""The password and the tokens of one deployment: a file of mode 0600 in its home that holds hashes only.

It lies beside the database, not in it, so that a reader can log in and see why the database is down.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from keepa_deals import atomic_file
from keepa_deals.errors import KeepaDealsError
from keepa_deals.settings import Settings

FILE = "access.json"
KEY_FILE = "session.key"
MIN_PASSWORD, MAX_PASSWORD = 12, 1000
MAX_NAME = 64
TOKEN_PREFIX = "kd_"  # noqa: S105  # what secret scanners know a leaked token by
_KEY_BYTES = 32


class AccessError(KeepaDealsError):
    """The credentials can't be read or changed as asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Token:
    """A read-only token. ``digest`` is the SHA-256 of its 256 random bits, which needs no slow hash."""

    name: str
    digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the file holds. ``ended`` are sessions logged out: id → Unix second when they are forgotten."""

    password: str | None = None
    tokens: tuple[Token, ...] = ()
    ended: Mapping[str, int] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """Changes with the password: a session made under another one is over."""
        return hashlib.sha256((self.password or "").encode()).hexdigest()[:16]

    def token(self, secret: str) -> Token | None:
        """The token that ``secret`` is, or ``None``."""
        digest = _digest(secret)
        return next((token for token in self.tokens if hmac.compare_digest(token.digest, digest)), None)


class CredentialStore:
    """Reads and changes the credentials in ``home``. Changes show at once in every process that reads."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / FILE
        self._hasher = PasswordHasher()
        self._one_at_a_time = threading.Lock()
        self._known: tuple[tuple[int, int, int], Credentials] | None = None

    # -- reading -----------------------------------------------------------------------------
    def read(self) -> Credentials:
        """The credentials in force; an ``AccessError`` for a file that can't be understood, never "none"."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return Credentials()
        except OSError as error:
            raise AccessError(f"{self._path}: cannot be read ({error.strerror})") from None
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._known
        if known is None or known[0] != version:
            known = self._known = (version, self._load())
        return known[1]

    def _load(self) -> Credentials:
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            tokens = tuple(
                Token(t["name"], t["digest"], datetime.fromisoformat(t["created_at"])) for t in held["tokens"]
            )
            return Credentials(held["password"], tokens, dict(held["ended"]))
        except OSError as error:
            raise AccessError(f"{self._path}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError):
            raise AccessError(
                f"{self._path}: is damaged; remove it and set the password again "
                "(keepa-deals dashboard password)"
            ) from None

    def verify(self, password: str) -> bool:
        """Whether this is the password. One check at a time: each takes 64 MiB and a part of a second."""
        known = self.read().password
        if known is None or len(password) > MAX_PASSWORD:
            return False
        with self._one_at_a_time:
            try:
                return self._hasher.verify(known, password)
            except (VerificationError, InvalidHashError):
                return False

    # -- changing ----------------------------------------------------------------------------
    def set_password(self, password: str) -> None:
        """Store the hash of ``password``; every session is over."""
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise AccessError(f"the password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
        hashed = self._hasher.hash(password)
        with self._changing() as held:
            self._write(replace(held, password=hashed, ended={}))

    def remove_password(self) -> None:
        """Open the dashboard to whoever reaches it; it listens on loopback only from then on."""
        with self._changing() as held:
            self._write(replace(held, password=None, ended={}))

    def add_token(self, name: str, now: datetime) -> str:
        """A new token's secret, which is stored nowhere; an ``AccessError`` when the name is taken."""
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise AccessError(f"a token's name has 1 to {MAX_NAME} printable characters")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._changing() as held:
            if any(token.name == name for token in held.tokens):
                raise AccessError(f"there is a token {name!r} already: choose another name, or revoke it")
            token = Token(name, _digest(secret), now.astimezone(UTC))
            self._write(replace(held, tokens=(*held.tokens, token)))
        return secret

    def revoke_token(self, name: str) -> None:
        """Take a token back; an ``AccessError`` when there is none of that name."""
        with self._changing() as held:
            kept = tuple(token for token in held.tokens if token.name != name)
            if len(kept) == len(held.tokens):
                raise AccessError(f"there is no token {name!r}; see 'keepa-deals dashboard token list'")
            self._write(replace(held, tokens=kept))

    def end_session(self, session_id: str, now: datetime, until: datetime) -> None:
        """Refuse a session from now on. It is forgotten at ``until``, when it would have ended by itself."""
        with self._changing() as held:
            ended = {key: second for key, second in held.ended.items() if second > now.timestamp()}
            self._write(replace(held, ended={**ended, session_id: int(until.timestamp()) + 1}))

    # -- the key of the sessions' signatures -----------------------------------------------------
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

    # -- the file ------------------------------------------------------------------------------
    @contextmanager
    def _changing(self) -> Iterator[Credentials]:
        """The credentials as they are, while no other process may change them."""
        with self._locked():
            yield self.read()

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

    def _write(self, new: Credentials) -> None:
        text = json.dumps(asdict(new), default=datetime.isoformat, indent=1)
        _store(self._path, text)


def may_start(settings: Settings, known: Credentials) -> str | None:
    """Why the dashboard must not listen where the settings say; ``None`` when it may."""
    if not settings.dashboard_is_public or known.password is not None:
        return None
    return (
        f"DASHBOARD_HOST={settings.dashboard_host}: the dashboard listens beyond this machine only with a "
        "password; set one: .venv/bin/keepa-deals dashboard password"
    )


def _store(path: Path, content: str | bytes) -> None:
    try:
        atomic_file.write(path, content)
    except OSError as error:
        raise AccessError(f"{path}: cannot be written ({error.strerror})") from None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
