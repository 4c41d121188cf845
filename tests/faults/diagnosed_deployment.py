"""A deployment that is made ill, and what the diagnosis says of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keepa_deals import settings
from keepa_deals.diagnosis.cli import take_evidence
from keepa_deals.diagnosis.diagnose import diagnose
from keepa_deals.diagnosis.render_json import to_json
from tests.faults import injection
from tests.faults.injection import Fault
from tests.support.deployment import Service
from tests.support.paths import ROOT

SCRIPT = ROOT / "Diagnostics" / "diagnose_dwindling_deals.py"
SELECTION = "selection.json"
PATIENCE = 150.0
"""Seconds for a fault to be named, and for a healed one to be forgotten."""
LOOK_EVERY = 1.0
"""Seconds between two looks, each of which costs half a second of processor."""
DISK_MB = 256
"""The start wants 200 free."""


@dataclass(frozen=True)
class Case:
    """One fault. ``named``: the causes of their own while it lasts, in order. ``past``: what it is told as
    once it has healed. ``named`` is empty for a fault that the service heals before anybody can look."""

    name: str
    named: tuple[str, ...]
    fault: Fault
    past: str | None = None
    arguments: tuple[str, ...] = ()
    short: bool = False
    """Whether it belongs to the short form, in CI."""
    in_effect: Callable[[dict[str, Any]], bool] | None = None
    """Whether a status shows that the fault has struck. What it has already done to the service by then (a
    call that waits, on a busy machine) may have been named before; it is not healed until it has."""


@dataclass(frozen=True)
class Look:
    """One run of the script."""

    code: int
    found: dict[str, Any]
    seconds: float

    @property
    def roots(self) -> tuple[str, ...]:
        """The causes that follow from no other one."""
        return tuple(dict.fromkeys(c["rule"] for c in self.found["causes"] if not c["follows_from"]))

    @property
    def past(self) -> set[str]:
        return {past["rule"] for past in self.found["past"]}


class Patient:
    """A deployment, and the script that looks at it; whoever waits looks in this process until it pays."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def examine(self, *arguments: str, **environment: str) -> Look:
        """One look, from another folder; a traceback of its own fails the test."""
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "--json", *arguments],
            env={**self.service.environment, **environment},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        seconds = time.monotonic() - began
        assert "Traceback" not in done.stderr, done.stderr
        return Look(done.returncode, json.loads(done.stdout), seconds)

    def glance(self, *, live: bool = False) -> Look:
        """What the script would say, without the second of processor that its start costs."""
        began = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.service.environment.items():
                patch.setenv(name, value)
            found = diagnose(take_evidence(live=live), log_lines=0)
        return Look(found.exit_code, to_json(found), time.monotonic() - began)

    def wait_for_roots(self, *expected: str) -> Look:
        """The script's first look whose own causes are exactly these."""
        deadline = time.monotonic() + PATIENCE
        while True:
            seen = self.glance()
            if seen.roots == expected and (seen := self.examine()).roots == expected:
                return seen
            told = [(c["rule"], c["evidence"]) for c in seen.found["causes"]]
            assert time.monotonic() < deadline, f"named {told}, expected {expected}"
            time.sleep(LOOK_EVERY)

    def wait_for_causes(self, number: int, *arguments: str) -> Look:
        """The script's first look that names so many of their own, or the last one within the patience."""
        deadline = time.monotonic() + PATIENCE
        while True:
            late = time.monotonic() > deadline
            seen = self.glance(live="--live" in arguments)
            if late or len(seen.roots) >= number:
                seen = self.examine(*arguments)
                if late or len(seen.roots) >= number:
                    return seen
            time.sleep(LOOK_EVERY)


@dataclass(frozen=True)
class Result:
    """What a case brought: the first look that named as many causes as there are, and how long it took."""

    case: Case
    first: tuple[str, ...]
    after: float
    seconds: float
    consequences: tuple[str, ...]

    @property
    def right(self) -> bool:
        return self.first == self.case.named


def try_out(patient: Patient, case: Case) -> Result:
    """Inject the fault, see what is named first, heal it, and see that it is no longer present."""
    patient.wait_for_roots()
    began = time.monotonic()
    with case.fault(patient.service):
        seen = patient.wait_for_causes(len(case.named), *case.arguments)
        after = time.monotonic() - began
        if case.in_effect:
            patient.service.wait_for(case.in_effect, PATIENCE)
    healthy = patient.wait_for_roots()
    if case.past:
        told = healthy.past
        named = [(cause["rule"], cause["evidence"]) for cause in seen.found["causes"]]
        assert case.past in told, f"{case.name}: past {told}, expected {case.past}; while it lasted {named}"
    follow = tuple(c["rule"] for c in seen.found["causes"] if c["follows_from"])
    return Result(case, seen.roots, after, seen.seconds, follow)


def made(home: Path, **changes: str) -> Service:
    """A service for the cases: fast, with a deal query of its own that can be changed."""
    home.parent.mkdir(parents=True, exist_ok=True)
    path = home.parent / SELECTION
    shutil.copy(settings.Settings.model_fields["keepa_deal_selection"].default, path)
    return Service(home, KEEPA_DEAL_SELECTION=str(path), **changes)


@contextmanager
def own_disk(home: Path) -> Iterator[bool]:
    """Whether ``home`` is on a file system of its own (root alone can make one)."""
    with ExitStack() as stack:
        try:
            mounted: AbstractContextManager[None] = injection.small_disk(home, DISK_MB)
            stack.enter_context(mounted)
        except (OSError, subprocess.CalledProcessError):
            yield False
        else:
            yield True
