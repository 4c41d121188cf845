"""How several processes share a run's tests: file by file, the long ones first.

A file's fixtures are then made once. The tests that only need a running deployment stay together: one is
started for all of them. It runs, and takes its share of a processor, until its process ends: they come late.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).resolve().parents[1]
PARTS = ("system", "faults", "simulation", "integration", "browser", "security", "unit")
"""In this order, so that short files are left when one process ends before the other."""
AROUND_ONE_DEPLOYMENT = (
    "tests/browser/",
    "tests/system/test_pipeline.py::test_both_jobs_share_the_tokens_and_keepa_refuses_nothing",
    "tests/system/test_start_stop.py::test_a_start_ends_with_live_deals_and_the_address",
    "tests/system/test_start_stop.py::test_a_second_start_starts_nothing_twice",
)


class Schedule(LoadFileScheduling):
    """The next file goes to the process that is done first."""

    def _split_scope(self, nodeid: str) -> str:
        return "deployment" if nodeid.startswith(AROUND_ONE_DEPLOYMENT) else super()._split_scope(nodeid)


def part_of(item: pytest.Item) -> int:
    """The place of a test's folder in the order; what shares the deployment is the browser's."""
    if item.nodeid.startswith(AROUND_ONE_DEPLOYMENT):
        return PARTS.index("browser")
    folder = item.path.relative_to(TESTS).parts[0]
    return PARTS.index(folder) if folder in PARTS else len(PARTS)
