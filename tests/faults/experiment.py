"""One round of a fault: put it into a loaded deployment, and see how soon it works and what it cost."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keepa_deals.deployment import supervisor
from keepa_deals.deployment.processes import command_of, ours
from keepa_deals.errors import KeepaDealsError
from keepa_deals.locks import SILENCE
from tests.faults import invariants
from tests.faults.bystanders import Neighbours
from tests.faults.injection import Fault
from tests.support.deployment import Service

PATIENCE = 180.0
"""Seconds after which a round has failed; how long it may take is the scenario's target."""
_BEAT = re.compile(r"\bcelery\b.*\bbeat\b")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault, how long it lasts, and how soon what it broke must work again.

    The time counts from the healing, or with ``while_it_lasts`` from the injection.
    """

    name: str
    fault: Fault
    target: float
    lasts: float = 0.0
    outlives_lock: bool = False
    """How long a lock may be silent is added to the target."""
    while_it_lasts: bool = False
    back: Callable[[Service], object] | None = None
    """Returns when what the fault broke works again while it lasts, where that is not the upserter."""
    ground: str = "shared"
    """What it needs: "shared", "password" (of a Redis), "disk" (a small one of its own) or "checkout"."""

    def within(self, service: Service) -> float:
        """The target in seconds for this deployment."""
        silence = service.settings.lock_ttl_seconds * SILENCE if self.outlives_lock else 0
        return self.target + silence


@dataclass(frozen=True, slots=True)
class Round:
    """What one round cost: seconds (``None``: it did not recover), and in words what it harmed."""

    seconds: float | None
    whole: float = 0.0
    """Seconds until every program ran again under a supervisor, from the same moment on."""
    load: float = 0.0
    """The machine's load average of a minute, when it was over."""
    lost: Sequence[str] = ()
    doubled: Sequence[str] = ()
    harmed: Sequence[str] = ()
    error: str | None = None

    @property
    def harmless(self) -> bool:
        return self.error is None and not (self.lost or self.doubled or self.harmed)


def play(
    scenario: Scenario, service: Service, neighbours: Neighbours, *, lasts: float | None = None
) -> Round:
    """Inject, wait, heal, and measure; ``lasts`` replaces the scenario's own length."""
    before = invariants.read(service)
    try:
        with _watching_beats(service) as beats:
            since, seconds = _time_to_success(scenario, service, scenario.lasts if lasts is None else lasts)
            wait_until_whole(service)
        return Round(
            seconds,
            whole=time.monotonic() - since,
            load=os.getloadavg()[0],
            lost=(*invariants.read(service).lost_since(before), *_still_missing(service, before)),
            doubled=(*invariants.doubled(service), *beats.doubled),
            harmed=neighbours.harmed(),
        )
    except (AssertionError, OSError, subprocess.SubprocessError, KeepaDealsError) as error:
        return Round(None, error=f"{type(error).__name__}: {error}")


def _time_to_success(scenario: Scenario, service: Service, lasts: float) -> tuple[float, float]:
    """The moment that counts (monotonic), and the seconds from it until what broke works again."""
    with scenario.fault(service):
        since, began = datetime.now(UTC), time.monotonic()
        if scenario.while_it_lasts:
            if scenario.back is not None:
                scenario.back(service)
            else:
                invariants.wait_for_success(service, since, PATIENCE)
            seconds = time.monotonic() - began
        else:
            time.sleep(lasts)
            since, began = datetime.now(UTC), time.monotonic()
    invariants.wait_for_success(service, since, PATIENCE)
    return began, seconds if scenario.while_it_lasts else time.monotonic() - began


def wait_until_whole(service: Service, patience: float = 60.0) -> None:
    """Return when a supervisor runs and each of its programs does."""
    deadline = time.monotonic() + patience
    while (missing := _what_is_down(service)) is not None:
        assert time.monotonic() < deadline, f"still down: {missing}"
        time.sleep(0.2)


def _what_is_down(service: Service) -> str | None:
    if supervisor.live_supervisor(service.layout) is None:
        return "the supervisor"
    try:
        states = supervisor.states(service.layout)
    except KeepaDealsError as error:
        return str(error)
    return next((f"{s.name} ({s.state})" for s in states if s.state != "RUNNING"), None)


def _still_missing(service: Service, before: invariants.Ledger, patience: float = 60.0) -> Sequence[str]:
    """Deals that Keepa has and the table does not get: new ones may take a run or two."""
    deadline = time.monotonic() + patience
    while True:
        try:
            absent = invariants.missing(service, before)
        except OSError:
            assert time.monotonic() < deadline, "the sandbox does not answer"
            absent = ["?"]
        if not absent or time.monotonic() > deadline:
            return [f"{asin} never arrived" for asin in absent]
        time.sleep(0.5)


@dataclass
class _Beats:
    """The schedulers seen at the same moments."""

    doubled: list[str] = field(default_factory=list)


@contextmanager
def _watching_beats(service: Service, every: float = 0.5) -> Iterator[_Beats]:
    """Notes when two beats are alive at two looks in a row (one that finds another at work ends at once)."""
    found, enough = _Beats(), threading.Event()
    seen: Counter[frozenset[int]] = Counter()

    def watch() -> None:
        while not enough.wait(every):
            pids = frozenset(p.pid for p in ours(service.layout.path) if _BEAT.search(command_of(p)))
            if len(pids) > 1:
                seen[pids] += 1
                if seen[pids] == 2:
                    found.doubled.append(f"two beats: pids {sorted(pids)}")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        enough.set()
        thread.join()
