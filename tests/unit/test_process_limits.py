"""The time that a task may take: the earliest of those under way counts, whatever the interpreter does."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

from keepa_deals.process_limits import Seldom, TimeLimit, give_back, memory_used

STUCK = """
import re
from keepa_deals.process_limits import TimeLimit
TimeLimit(0.2).begin("stuck")
re.match("(a+)+$", "a" * 60 + "b")  # years, in C, with the interpreter's lock held
"""


class Clock:
    """A clock, and what it was armed for: ``None`` for nothing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ends: float | None = None

    def limit(self, seconds: float) -> TimeLimit:
        return TimeLimit(seconds, arm=self._arm, disarm=self._disarm, monotonic=lambda: self.now)

    def _arm(self, seconds: float) -> None:
        self.ends = self.now + seconds

    def _disarm(self) -> None:
        self.ends = None


def test_the_earliest_end_counts_until_its_task_has_ended() -> None:
    clock = Clock()
    limit = clock.limit(100)
    limit.begin("first")
    clock.now = 30
    limit.begin("second")
    assert clock.ends == 100
    limit.end("first")
    assert clock.ends == 130
    limit.end("second")
    assert clock.ends is None


def test_a_task_that_ends_does_not_prolong_another() -> None:
    clock = Clock()
    limit = clock.limit(100)
    limit.begin("wedged")
    for now in range(0, 90, 10):
        clock.now = now
        limit.begin("short")
        limit.end("short")
        assert clock.ends == 100


def test_what_is_overdue_already_ends_at_once() -> None:
    clock = Clock()
    limit = clock.limit(100)
    limit.begin("wedged")
    clock.now = 200
    limit.begin("next")
    assert clock.ends is not None
    assert 200 < clock.ends < 200.1


def test_a_task_that_holds_the_interpreter_is_ended_and_its_place_is_told() -> None:
    command = [sys.executable, "-c", STUCK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert 'File "<string>", line 5' in done.stderr


def test_the_memory_is_this_process_s() -> None:
    before = memory_used()
    ballast = bytearray(b"x" * (64 << 20))
    assert memory_used() > before + (48 << 20)
    del ballast


class Link:
    """One that leads to itself."""

    def __init__(self) -> None:
        self.next = self


def test_what_is_in_nobody_s_hands_is_gone_after_giving_back() -> None:
    gc.disable()
    try:
        link = weakref.ref(Link())
        assert link() is not None
        give_back()
        assert link() is None
    finally:
        gc.enable()


HOLES = """
from keepa_deals.process_limits import give_back, memory_used
before = memory_used()
pieces = [bytearray(b"x") * 20_000 for _ in range(2000)]
last = pieces.pop()
del pieces
kept = memory_used() - before
give_back()
print(kept >> 20, (memory_used() - before) >> 20)
"""
"""Forty megabytes of small pieces, of which the last one keeps all of the heap below it."""


def test_holes_in_the_heap_go_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], check=True, capture_output=True, text=True)
    kept, left = map(int, done.stdout.split())
    assert left < 5 < 20 < kept


def test_what_is_done_seldom_waits_for_its_time() -> None:
    now, done = [0.0], []
    work = Seldom(30, lambda: done.append(now[0]), monotonic=lambda: now[0])
    for now[0] in (0, 1, 29.9, 30, 31, 90):
        work()
    assert done == [0, 30, 90]
