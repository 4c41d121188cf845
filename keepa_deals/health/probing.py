"""Looks at many things at once, none of which can hold up or break the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from keepa_deals.health.error_text import describe

T = TypeVar("T")
U = TypeVar("U")

PROBE_TIMEOUT = 1.5
"""Seconds that one look may take: with the time that Python needs to start, all of it stays under 5."""


@dataclass(frozen=True)  # no slots: typing notes the type argument on the instance
class Reading(Generic[T]):
    """What one look found: a value, or why there is none, in words."""

    value: T | None = None
    error: str | None = None
    seconds: float = 0.0

    @property
    def known(self) -> bool:
        return self.error is None

    def then(self, part: Callable[[T], U]) -> U | None:
        """``part`` of the value; ``None`` when there is no value."""
        return None if self.value is None else part(self.value)


class Readings:
    """The results of :func:`run_probes`, typed where they are taken out."""

    def __init__(self, readings: Mapping[str, Reading[Any]]) -> None:
        self.all = readings

    def take(self, name: str, probe: Callable[..., T]) -> Reading[T]:
        """The reading called ``name``; ``probe`` only says which type it has."""
        del probe
        return cast("Reading[T]", self.all[name])


def run_probes(probes: Mapping[str, Callable[[], Any]], *, timeout: float = PROBE_TIMEOUT) -> Readings:
    """Every probe's result or error, after ``timeout`` seconds at the latest. Never raises.

    Each probe has a daemon thread of its own: one that hangs is left behind, and ends with the process
    or with its own time-out.
    """
    done: dict[str, Reading[Any]] = {}
    threads = {
        name: threading.Thread(target=_run, args=(name, probe, done), name=f"probe-{name}", daemon=True)
        for name, probe in probes.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Reading[Any](error=f"no answer within {timeout:g} s", seconds=timeout)
    return Readings({name: done.get(name, late) for name in probes})


def _run(name: str, probe: Callable[[], Any], done: dict[str, Reading[Any]]) -> None:
    started = time.monotonic()
    try:
        value = probe()
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is this probe's result
        done[name] = Reading(error=describe(error), seconds=time.monotonic() - started)
    else:
        done[name] = Reading(value=value, seconds=time.monotonic() - started)
