"""One operation at a time on a deployment: ``flock``, which the kernel releases whatever happens."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from keepa_deals.ops.errors import BusyError

_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an operation's lock, as it wrote itself into the file."""

    what: str
    process: psutil.Process

    def __str__(self) -> str:
        return f"{self.what} (pid {self.process.pid})"


@contextmanager
def only_one(path: Path, what: str, *, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock at ``path`` as ``what`` ("start"); a ``BusyError`` that names the holder when it is
    still taken after ``wait`` seconds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, time.monotonic() + wait)
        os.ftruncate(descriptor, 0)
        me = {"what": what, "pid": os.getpid(), "started": psutil.Process().create_time()}
        os.pwrite(descriptor, json.dumps(me).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_POLL)
                continue
            raise BusyError(f"another operation is at work here: {holder(path) or 'just begun'}") from None
        return


def holder(path: Path) -> Holder | None:
    """Who holds the lock now; ``None`` when nobody does or the holder has not written its name yet."""
    try:
        claim = json.loads(path.read_text(encoding="utf-8"))
        process = psutil.Process(claim["pid"])
        if abs(process.create_time() - claim["started"]) > 1:
            return None
        return Holder(str(claim["what"]), process)
    except (OSError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
        return None
