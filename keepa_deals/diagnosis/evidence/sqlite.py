"""SQLite's file: whether it lets somebody write, who holds its lock, and whether its pages are whole."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from keepa_deals.deployment.proc_locks import PROC_LOCKS, read_kernel_locks
from keepa_deals.health.error_text import redact
from keepa_deals.health.parts.database import BUSY_TIMEOUT

INTEGRITY_SECONDS = 1.0
"""For so long the database's pages are checked at each look."""
_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A process that holds SQLite's write lock."""

    pid: int
    command: str


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
            (outcome,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return f"ok as far as {INTEGRITY_SECONDS:g} s of checking went"
            raise
    return str(outcome)


def _open(path: Path, *, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )


def lock_holders(path: Path | None, source: Path = PROC_LOCKS) -> tuple[LockHolder, ...]:
    """Who holds write locks on a SQLite database's files (Linux tells; nobody elsewhere)."""
    if path is None:
        return ()
    files = (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
    inodes = {file.stat().st_ino for file in files if file.exists()}
    locks = read_kernel_locks(source) or ()
    pids = {lock.pid for lock in locks if lock.access == "WRITE" and lock.inode in inodes and lock.pid > 0}
    return tuple(LockHolder(pid, _command(pid)) for pid in sorted(pids - {os.getpid()}))


def _command(pid: int) -> str:
    try:
        return redact(" ".join(psutil.Process(pid).cmdline())) or "?"
    except psutil.Error:
        return "?"
