"""One operation at a time on a deployment: ``flock``, which the kernel releases whatever happens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from keepa_deals.deployment.errors import BusyError, HalfWayError
from keepa_deals.deployment.proc_locks import read_kernel_locks
from keepa_deals.deployment.processes import has_open

WATCHDOG = "guard"
"""What the watchdog signs with: the name by which operators know it (``ops guard``)."""
WATCHDOG_WAIT = 180.0
"""Seconds for which a person's operation lets the watchdog finish: longer than its start may take."""
UNSIGNED = "operation"
"""What a holder is called that has not signed: it has just begun, is about to let go, or the disk is full."""
_POLL = 0.1
_MOMENT = 1.0
_LONGEST_WORD = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an operation's lock, as it wrote itself into the file."""

    what: str
    process: psutil.Process

    def __str__(self) -> str:
        return f"{self.what} (pid {self.process.pid})"


@contextmanager
def only_one(path: Path, what: str, *, wait: float = 0.0, wait_for_watchdog: float = 0.0) -> Iterator[None]:
    """Hold the lock at ``path`` as ``what`` ("start"); a ``BusyError`` that names the holder when it is
    still taken after ``wait`` seconds, or ``wait_for_watchdog`` (if longer) while the watchdog has it.

    Who was interrupted or fails half-way leaves a word, from which the watchdog knows that there is something
    to heal; it stays until an operation succeeds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, wait, wait_for_watchdog)
        of_the_dead = os.pread(descriptor, _LONGEST_WORD, 0)
        _write(descriptor, _signature(what))
        try:
            yield
        except HalfWayError:
            raise
        except Exception:
            _write(descriptor, of_the_dead)
            raise
        _write(descriptor, b"")
    finally:
        os.close(descriptor)


def _signature(what: str) -> bytes:
    me = {"what": what, "pid": os.getpid(), "started": psutil.Process().create_time()}
    return json.dumps(me).encode()


def _write(descriptor: int, word: bytes) -> None:
    """Leave a word on who holds the lock; a full disk, on which a kill must work too, has no room for it."""
    os.ftruncate(descriptor, 0)
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, word, 0)


def _acquire(descriptor: int, path: Path, wait: float, wait_for_watchdog: float) -> None:
    began, limit = time.monotonic(), max(wait, _MOMENT)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = holder(path)
            if other is not None and other.what != UNSIGNED:  # else it begins, or is about to let go
                limit = max(wait, wait_for_watchdog) if other.what == WATCHDOG else wait
            if time.monotonic() - began >= limit:
                raise BusyError(f"another operation is at work here: {other or 'just begun'}") from None
            time.sleep(_POLL)
        else:
            return


def holder(path: Path) -> Holder | None:
    """Who holds the lock now; ``None`` when nobody does, or when that can't be told.

    What is written in the file counts only where the kernel does not contradict it: a file may name anybody.
    """
    claim, pids = _claim(path), _flock_pids(path)
    if isinstance(claim, Holder) and (pids is None or claim.process.pid in pids):
        return claim
    return _unsigned(pids or ())


def abandoned(path: Path) -> str | None:
    """What operation ("deploy") died while it held the lock; ``None`` when the last one ended by itself."""
    claim = _claim(path)
    return claim if isinstance(claim, str) else None


def _unsigned(pids: Iterable[int]) -> Holder | None:
    """The holder by the kernel's word: on a full disk it could not leave its own."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess, ValueError):
            return Holder(UNSIGNED, psutil.Process(pid))
    return None


def _flock_pids(path: Path) -> list[int] | None:
    """The processes that hold a ``flock`` on the file; ``None`` where the kernel does not tell (not Linux, or
    the holder lives in another PID namespace)."""
    locks = read_kernel_locks()
    try:
        inode = path.stat().st_ino
    except OSError:
        return None
    if locks is None:
        return None
    pids = [lock.pid for lock in locks if lock.kind == "FLOCK" and lock.inode == inode]
    if any(pid <= 0 for pid in pids):
        return None
    # another file system's file may have the same number
    return [pid for pid in pids if _may_hold(pid, path)]


def _may_hold(pid: int, path: Path) -> bool:
    try:
        return has_open(psutil.Process(pid), path) is not False
    except psutil.NoSuchProcess:
        return False


def _claim(path: Path) -> Holder | str | None:
    """Who signed the lock; just the operation's name when that process is gone."""
    try:
        claim = json.loads(path.read_text(encoding="utf-8"))
        what, pid, started = str(claim["what"]), int(claim["pid"]), float(claim["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return what
    return Holder(what, process) if same else what
