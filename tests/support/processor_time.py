"""What a run's tests took of the processors, at its end: on a busy machine a clock says nothing of it."""

from __future__ import annotations

from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

import pytest

_TOLD = "processor_seconds"


def seconds(*whose: int) -> float:
    """User and system time; of children, those that have ended and were awaited."""
    return sum(used.ru_utime + used.ru_stime for used in map(getrusage, whose))


class ProcessorTime:
    """Sums up the processes of a run, without what went on in the background, as a deployment does."""

    def __init__(self) -> None:
        self._others: list[float] = []

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if told is not None:
            told[_TOLD] = seconds(RUSAGE_SELF, RUSAGE_CHILDREN)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._others.append(getattr(node, "workeroutput", {}).get(_TOLD, 0.0))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        own = seconds(RUSAGE_SELF) if self._others else seconds(RUSAGE_SELF, RUSAGE_CHILDREN)
        terminalreporter.write_line(
            f"{own + sum(self._others):.0f} s of processor, beside what ran in the background"
        )
