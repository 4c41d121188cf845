"""What is under the deployment: the home and who may use it, SQLite's lock and file."""

from __future__ import annotations

import os
import pwd
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from keepa_deals.deployment import backups
from keepa_deals.health.error_text import redact
from keepa_deals.health.parts.database import BUSY_TIMEOUT
from keepa_deals.settings import PROJECT_ROOT

INTEGRITY_SECONDS = 1.0
"""For so long the database's pages are checked at each look."""
_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock."""
_WRITTEN = ("run", "log", "redis", "deals.db", "deals.db-wal", "deals.db-shm", "run/runtime.env")


@dataclass(frozen=True, slots=True)
class HomeState:
    """The home's folder, as this process's user sees it."""

    path: Path
    exists: bool
    owner: str
    user: str
    readable: bool
    """Whether we may look into it: everything else about the deployment depends on that."""
    mode: int
    read_only: tuple[str, ...] = ()
    """What cannot be written although its user may: a file system mounted read-only, or a lost mode bit."""
    misowned: tuple[str, ...] = ()
    """What belongs to somebody else than the home: the service cannot write it."""
    exposed_secrets: tuple[Path, ...] = ()
    """Files with the key that others on this machine may read."""
    newest_copy: Path | None = None
    """The newest copy of a SQLite database that a deploy has left."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A process that holds SQLite's write lock."""

    pid: int
    command: str


def read_home(home: Path) -> HomeState:
    """Who owns the home, who may read it, and what in it the service could not write."""
    me = os.geteuid()
    try:
        found = home.stat()
    except FileNotFoundError:
        return HomeState(home, False, "", _name(me), True, 0)
    except PermissionError:
        return HomeState(home, True, "?", _name(me), False, 0)
    readable = os.access(home, os.R_OK | os.X_OK) and _is_open(home / "run")
    base = HomeState(home, True, _name(found.st_uid), _name(me), readable, found.st_mode & 0o777)
    if not readable:
        return base
    parts = [home, *(home / name for name in _WRITTEN if (home / name).exists())]
    mine = me in (found.st_uid, 0)
    return HomeState(
        *(base.path, base.exists, base.owner, base.user, readable, base.mode),
        read_only=tuple(str(path) for path in parts if mine and not _writable(path, found.st_uid)),
        misowned=tuple(str(path) for path in parts if path.stat().st_uid != found.st_uid),
        exposed_secrets=exposed(PROJECT_ROOT / ".env", found.st_uid),
        newest_copy=backups.newest(home / "backups"),
    )


def exposed(file: Path, owner: int) -> tuple[Path, ...]:
    """The file if others may read it; a group may where another user than the home's owner lends the file."""
    try:
        found = file.stat()
    except OSError:
        return ()
    unwanted = 0o077 if found.st_uid == owner else 0o007
    return (file,) if found.st_mode & unwanted else ()


def _is_open(folder: Path) -> bool:
    """Whether we may look into a folder, or there is none."""
    return not folder.exists() or os.access(folder, os.R_OK | os.X_OK)


def _writable(path: Path, owner: int) -> bool:
    """Whether the owner may write; root may always, so for root the owner's mode bits count, too."""
    details = path.stat()
    allowed = details.st_uid != owner or bool(details.st_mode & 0o200)
    return allowed and os.access(path, os.W_OK)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# -- SQLite ----------------------------------------------------------------------------------------
def try_to_write(path: Path | None) -> None:
    """Take SQLite's write lock and give it back; PostgreSQL (``None``) has no such lock. Writes nothing."""
    if path is None or not path.exists():
        return
    with closing(_open(path, timeout=BUSY_TIMEOUT)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def check_integrity(path: Path | None) -> str:
    """``ok``, ``ok as far as …`` when the time was too short for all of it, or the first fault found."""
    if path is None:
        return "left to PostgreSQL's own checksums"
    if not path.exists():
        return "no file yet"
    deadline = time.monotonic() + INTEGRITY_SECONDS
    with closing(_open(path, timeout=0.2)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return f"ok as far as {INTEGRITY_SECONDS:g} s of checking went"
            raise
    return str(found)


def _open(path: Path, *, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )


def lock_holders(path: Path | None, locks: Path = Path("/proc/locks")) -> tuple[LockHolder, ...]:
    """Who holds write locks on a SQLite database's files (Linux tells; nobody elsewhere)."""
    if path is None:
        return ()
    names = (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
    inodes = {name.stat().st_ino for name in names if name.exists()}
    try:
        lines = locks.read_text(encoding="ascii").splitlines()
    except OSError:
        return ()
    pids = {pid for pid, inode in _write_locks(lines) if inode in inodes and pid != os.getpid()}
    return tuple(LockHolder(pid, _command(pid)) for pid in sorted(pids))


def _write_locks(lines: list[str]) -> Iterator[tuple[int, int]]:
    for line in lines:
        fields = line.split()
        if len(fields) == 8 and fields[3] == "WRITE" and fields[4].isdigit():
            yield int(fields[4]), int(fields[5].rpartition(":")[2])


def _command(pid: int) -> str:
    try:
        return redact(" ".join(psutil.Process(pid).cmdline())) or "?"
    except psutil.Error:
        return "?"
