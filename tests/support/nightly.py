"""What runs in CI and what only at night: the option ``--nightly``, the marker, and numbers of examples."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

PROFILE = "nightly"
MARK = "nightly"
POSTGRES_BY_NIGHT = pytest.mark.parametrize(
    "empty_dsn", ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)], indirect=True
)
"""For a test whose subject is not the database: by day it runs on SQLite alone."""
_LEFT = pytest.StashKey[int]()


def amount(by_day: int, *, at_night: int) -> int:
    """How many examples, rounds or runs a test is given in this run."""
    return at_night if settings.get_current_profile_name() == PROFILE else by_day


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="everything: the long forms, and more examples")


def configure(config: pytest.Config) -> None:
    """Before any test's module is imported: the decorators there ask for their number of examples."""
    settings.register_profile(PROFILE)
    if config.getoption("--nightly"):
        settings.load_profile(PROFILE)


def leave_for_the_night(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the marked tests out of the run, and remember how many."""
    if config.getoption("--nightly"):
        return
    left = [item for item in items if item.get_closest_marker(MARK)]
    items[:] = [item for item in items if not item.get_closest_marker(MARK)]
    config.stash[_LEFT] = len(left)
    if left:
        config.hook.pytest_deselected(items=left)
    told: dict[str, Any] | None = getattr(config, "workeroutput", None)
    if told is not None:  # one of several processes: the one that reports learns it from there
        told[MARK] = len(left)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process has ended: what it left, every one of them did."""
    node.config.stash[_LEFT] = getattr(node, "workeroutput", {}).get(MARK, 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if left := terminalreporter.config.stash.get(_LEFT, 0):
        tests = "1 test runs" if left == 1 else f"{left} tests run"
        terminalreporter.write_line(f"{tests} only at night: make nightly, or --nightly")
