"""What a worker must not exceed: time for a task, memory for its process; and what it gives back.

Its tasks run in threads, which nobody can end from outside. So what breaks a limit costs the process, and the
supervisor starts another one: whatever a run has not committed is done by the next, as after any death.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import threading
import time
from collections.abc import Callable

import psutil

MAX_MEMORY = 400 << 20
"""Bytes of a process that has done a task, above which another one takes over."""
GIVE_BACK_EVERY = 30.0
"""Seconds: what a run leaves is used by the next one, where runs follow each other at once."""
_STDERR = 2
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of glibc alone."""


def _die_in(seconds: float) -> None:
    """Say where each thread is, and exit, in so many seconds. A thread of C does it: no lock of the
    interpreter's, however long a regular expression or a driver may hold it, can put it off."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)


class TimeLimit:
    """Ends the process when any of the tasks under way takes longer than ``seconds``."""

    def __init__(
        self,
        seconds: float,
        *,
        arm: Callable[[float], None] = _die_in,
        disarm: Callable[[], None] = faulthandler.cancel_dump_traceback_later,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._arm = arm
        self._disarm = disarm
        self._monotonic = monotonic
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, task: str) -> None:
        """A task begins; its time is that of the earliest until others have ended."""
        with self._lock:
            self._ends[task] = self._monotonic() + self._seconds
            self._set()

    def end(self, task: str) -> None:
        """A task has ended, in time."""
        with self._lock:
            self._ends.pop(task, None)
            self._set()

    def _set(self) -> None:
        if self._ends:
            self._arm(max(0.001, min(self._ends.values()) - self._monotonic()))
        else:
            self._disarm()


def memory_used() -> int:
    """Bytes of this process that are in memory."""
    return int(psutil.Process().memory_info().rss)


def spare_what_stays() -> None:
    """Nothing that is loaded by now will ever be garbage: the collector need not look at it again."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Hand to the system what work has left behind: cycles of objects, which the collector finds late, and
    holes in the heap, which glibc keeps."""
    gc.collect()
    if _trim is not None:
        _trim(0)


class Seldom:
    """Calls something, but not again within so many seconds."""

    def __init__(
        self, seconds: float, work: Callable[[], None], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._work = work
        self._monotonic = monotonic
        self._again_at = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            now = self._monotonic()
            if now < self._again_at:
                return
            self._again_at = now + self._seconds
        self._work()
