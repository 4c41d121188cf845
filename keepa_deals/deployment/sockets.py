"""A private folder for the Unix sockets of a home whose path is too long for the kernel.

The folder's name is drawn by chance and recorded in the home, so that nobody else on the machine can make it
first. ``XDG_RUNTIME_DIR`` would be as private, but it goes when its user logs out, and a service stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keepa_deals.errors import SettingsError

MAX_PATH = 90
"""Bytes: the kernel takes 107, and supervisor adds a pid to its socket's name while it makes it."""
RECORD = "sockets"
"""The file in ``run/`` that names the folder, and whose it is: a home may be copied."""
_LONGEST_NAME = len("/supervisor.sock")


def is_short(path: Path) -> bool:
    """Whether a socket can have this path."""
    return len(os.fsencode(path)) <= MAX_PATH


def folder(run: Path) -> Path | None:
    """The folder of the deployment whose ``run/`` this is, made at the first call by the user whose it is.

    ``None`` where nothing was ever started, or for another user before its owner has made it.
    """
    known = _recorded(run)
    if known is not None or not _is_mine(run):
        return known
    with _alone(run):
        return _recorded(run) or _record(run, _adopted(run) or _made(run))


def remove(run: Path) -> Path | None:
    """Remove the folder and its sockets once nothing runs, unless it is another user's; which it was."""
    known = _recorded(run)
    if known is None or not _is_mine(run):
        return None
    for path in known.glob("*.sock*"):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        known.rmdir()
    (run / RECORD).unlink(missing_ok=True)
    return known


def _recorded(run: Path) -> Path | None:
    """The folder that the record names, while it is private to the owner of ``run/``."""
    try:
        named, made_for = os.fsdecode((run / RECORD).read_bytes()).splitlines()
        owner = run.lstat().st_uid
    except (OSError, ValueError):
        return None
    if Path(made_for) != run:  # a copied home: the folder is the original's
        return None
    known = Path(named)
    if _is_mine(run):
        with contextlib.suppress(OSError):  # the machine was started anew, and its temporary files are gone
            known.mkdir(mode=0o700)
    return known if known.is_absolute() and is_private(known, owner) else None


def is_private(path: Path, owner: int) -> bool:
    """Whether ``path`` is a folder (no link to one) of ``owner``'s that nobody else may enter."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077


def _is_mine(run: Path) -> bool:
    try:
        return run.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _adopted(run: Path) -> Path | None:
    """The folder in which a service of an earlier version still listens: its name could be foreseen, so it is
    taken only if it is ours."""
    digest = hashlib.sha256(os.fsencode(run.parent)).hexdigest()[:12]
    earlier = Path(tempfile.gettempdir()) / f"keepa-deals-{os.geteuid()}-{digest}"
    return earlier if is_private(earlier, os.geteuid()) else None


def _made(run: Path) -> Path:
    for parent in _parents():
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix="keepa-deals-", dir=parent))
    raise SettingsError(
        f"KEEPA_DEALS_HOME={run.parent}: its path is too long for Unix sockets, and no temporary directory "
        "can hold them: choose a shorter home, or a TMPDIR that can be written"
    )


def _parents() -> Iterator[Path]:
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108  # mkdtemp's are private
        if len(os.fsencode(parent)) + len("/keepa-deals-") + 8 + _LONGEST_NAME <= MAX_PATH:
            yield Path(parent)


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """One at a time: two starts must not make a folder each."""
    opened = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _record(run: Path, made: Path) -> Path:
    draft = run / f"{RECORD}.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.fsencode(made) + b"\n" + os.fsencode(run) + b"\n")
    draft.replace(run / RECORD)
    return made
