"""The home: who owns it, who may read it, and what in it the service could not write."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from keepa_deals.deployment import backups
from keepa_deals.settings import PROJECT_ROOT

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


def read_home(home: Path) -> HomeState:
    """Who owns the home, who may read it, and what in it the service could not write."""
    me = os.geteuid()
    try:
        status = home.stat()
    except FileNotFoundError:
        return HomeState(home, False, "", _name(me), True, 0)
    except PermissionError:
        return HomeState(home, True, "?", _name(me), False, 0)
    readable = os.access(home, os.R_OK | os.X_OK) and _is_open(home / "run")
    base = HomeState(home, True, _name(status.st_uid), _name(me), readable, status.st_mode & 0o777)
    if not readable:
        return base
    parts = [home, *(home / name for name in _WRITTEN if (home / name).exists())]
    mine = me in (status.st_uid, 0)
    return HomeState(
        *(base.path, base.exists, base.owner, base.user, readable, base.mode),
        read_only=tuple(str(path) for path in parts if mine and not _writable(path, status.st_uid)),
        misowned=tuple(str(path) for path in parts if path.stat().st_uid != status.st_uid),
        exposed_secrets=exposed(PROJECT_ROOT / ".env", status.st_uid),
        newest_copy=backups.newest(home / "backups"),
    )


def exposed(file: Path, owner: int) -> tuple[Path, ...]:
    """The file if others may read it; a group may where another user than the home's owner lends the file."""
    try:
        status = file.stat()
    except OSError:
        return ()
    unwanted = 0o077 if status.st_uid == owner else 0o007
    return (file,) if status.st_mode & unwanted else ()


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
