"""Beat is single: whoever schedules holds a ``flock``; the pid file is for people."""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import re
from pathlib import Path

import psutil

from keepa_deals import atomic_file
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.processes import command_of, describe, is_ours, recorded

log = logging.getLogger(__name__)

_BEAT = re.compile(r"\bcelery\b.*\bbeat\b")
_held: dict[Path, int] = {}
"""Home → the lock's file descriptor, kept open for the process's life."""


def hold(path: Path) -> None:
    """Become the one beat of the home ``path`` for the rest of this process's life, and write the pid file.

    ``SystemExit`` with one line when another beat is at work. Calling it again does nothing.
    """
    if path in _held:
        return
    home = Home(path)
    descriptor = os.open(home.beat_lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        other = live_beat(home)
        name = describe(other) if other else "one that has not written its pid yet"
        raise SystemExit(f"keepa_deals: another beat is already at work here: {name}") from None
    _held[path] = descriptor
    stale = remove_stale_pid_file(home)
    if stale:
        log.warning(stale)
    _write(home.beat_pid)
    atexit.register(_remove_own, home.beat_pid, os.getpid())


def live_beat(home: Home) -> psutil.Process | None:
    """The live beat of this deployment that the pid file names; ``None`` when it names no such."""
    process = recorded(home.beat_pid)
    if process is None or not _BEAT.search(command_of(process)):
        return None
    return process if is_ours(process, home.path) or process.pid == os.getpid() else None


def remove_stale_pid_file(home: Home) -> str | None:
    """What was removed and why, in one line; ``None`` when there was nothing stale.

    Only the file goes: a stranger's process that has got the pid is left alone.
    """
    try:
        text = home.beat_pid.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    if live_beat(home) is not None:
        return None
    process = _process(text)
    home.beat_pid.unlink(missing_ok=True)
    if process is None:
        return f"removed a stale celerybeat.pid: it names pid {text[:20] or '(none)'}, which is gone"
    return f"removed a stale celerybeat.pid: its {describe(process)} is not our beat and was left alone"


def _process(text: str) -> psutil.Process | None:
    try:
        return psutil.Process(int(text))
    except (ValueError, OverflowError, psutil.NoSuchProcess):
        return None


def _write(path: Path) -> None:
    try:
        atomic_file.write(path, f"{os.getpid()}\n")
    except OSError as error:
        log.warning("no pid file, which is for people only: %s", error)


def _remove_own(path: Path, pid: int) -> None:
    if os.getpid() == pid:
        path.unlink(missing_ok=True)
