"""The fault suite's short form: each important fault once, in deployments that the scenarios share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.bystanders import Neighbours, living_beside
from tests.faults.experiment import Scenario, play
from tests.faults.grounds import running
from tests.faults.scenarios import SCENARIOS
from tests.support.deployment import Service

pytestmark = pytest.mark.slow

SHORT: dict[str, float] = {
    "kill -9 all programs at once": 0,
    "kill -9 supervisord": 0,
    "kill -9 while the lock is held": 0,
    "SIGSTOP past the lock's TTL, SIGCONT": 0,
    "zombie lock with 30 min left": 0,
    "Redis FLUSHALL": 0,
    "Redis refuses for 60 s": 4,
    "Redis hangs for 60 s": 8,
    "Keepa refuses the key for 30 s": 3,
    "database locked for 30 s": 12,
    "celerybeat.pid names a stranger": 0,
    "start during start": 0,
    "disk full for 30 s": 5,
    "kill on a full disk, then start": 0,
}
"""What runs here, and for how many seconds. Deploys: test_deploy.py; ``python -m tests.faults`` has all."""
BY_DAY = {"kill -9 while the lock is held", "disk full for 30 s"}
"""A process that dies with its lock, and the disk. The rest is nightly."""
LOCK_TTL = "6"


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    with living_beside(tmp_path_factory.mktemp("faults") / "neighbours") as neighbours:
        yield neighbours


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    with ExitStack() as stack:
        yield Grounds(stack, tmp_path_factory.mktemp("faults"))


class Grounds:
    """The deployments, each started when the first scenario wants it."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._running: dict[str, Service] = {}

    def __getitem__(self, ground: str) -> Service:
        if ground == "shared" and os.geteuid() == 0:
            ground = "disk"  # a small disk is as good, and one deployment less to start
        if ground not in self._running:
            self._stack.close()
            self._running = {
                ground: self._stack.enter_context(running(ground, self._folder, LOCK_TTL_SECONDS=LOCK_TTL))
            }
        return self._running[ground]


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(one, marks=() if one.name in BY_DAY else pytest.mark.nightly)
        for one in SCENARIOS
        if one.name in SHORT
    ],
    ids=lambda one: one.name,
)
def test_a_fault_passes_and_nothing_is_lost_or_doubled_or_harmed(
    scenario: Scenario, grounds: Grounds, neighbours: Neighbours
) -> None:
    if scenario.ground == "disk" and os.geteuid() != 0 and os.environ.get("CI") != "true":
        pytest.skip("only root can make a small disk")
    played = play(scenario, grounds[scenario.ground], neighbours, lasts=SHORT[scenario.name])
    print(f"\n{scenario.name}: the upserter after {played.seconds} s, all of it after {played.whole:.1f} s")
    assert played.harmless, played


def test_the_short_form_names_faults_that_there_are() -> None:
    assert BY_DAY < set(SHORT) <= {scenario.name for scenario in SCENARIOS}
