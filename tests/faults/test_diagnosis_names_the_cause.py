"""Each fault is injected for real into a running deployment; the script must name it first, and only it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from keepa_deals.ops import supervise
from keepa_deals.ops.layout import Home
from tests.faults.injectors import dead_owner
from tests.support.sandboxes import ask
from tests.support.service import ROOT, Service

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "Diagnostics" / "diagnose_dwindling_deals.py"
CONSEQUENCES = {"upserter_behind", "deals_stale"}


class Patient:
    """A deployment and what may be done to it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.home = Home(service.home)
        runtime = self.home.runtime.read_text()
        self.sandbox = next(
            line.split("'")[1] for line in runtime.splitlines() if line.startswith("KEEPA_API_URL")
        )

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.home.redis / "redis.sock"), decode_responses=True)

    def examine(self, *arguments: str) -> tuple[int, dict[str, Any], float]:
        """Exit code, JSON and seconds of the script, run from another folder."""
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "--json", *arguments],
            env=self.service.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        seconds = time.monotonic() - began
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout), seconds

    def causes(self) -> list[str]:
        """The rules that the script names, consequences aside."""
        _, found, _ = self.examine()
        return [cause["rule"] for cause in found["causes"] if cause["rule"] not in CONSEQUENCES]

    def wait_until_named(self, *expected: str, patience: float = 45) -> None:
        deadline = time.monotonic() + patience
        while (found := self.causes()) != list(expected):
            assert time.monotonic() < deadline, f"named {found}, expected {expected}"


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    service = Service(tmp_path_factory.mktemp("diagnosis") / "home")
    try:
        service.start()
        yield Patient(service)
    finally:
        service.kill()


@contextmanager
def program_stopped(patient: Patient, name: str) -> Iterator[None]:
    supervise._ask(patient.home, "stopProcess", name)
    try:
        yield
    finally:
        supervise._ask(patient.home, "startProcess", name)


@contextmanager
def suspended(patient: Patient, name: str) -> Iterator[None]:
    pid = patient.service.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def zombie_lock(patient: Patient) -> Iterator[None]:
    with patient.redis() as client:
        client.set("update_recent_deals_lock", dead_owner(), ex=1800)
        try:
            yield
        finally:
            client.delete("update_recent_deals_lock")


@contextmanager
def keepa_fails(patient: Patient) -> Iterator[None]:
    ask(f"{patient.sandbox}/_sandbox/faults", {"502": 1}, method="PUT")
    try:
        yield
    finally:
        ask(f"{patient.sandbox}/_sandbox/faults", {}, method="PUT")


@contextmanager
def deep_deficit(patient: Patient) -> Iterator[None]:
    """As after a call that cost far more than anybody could expect."""
    with patient.redis() as client:
        ask(f"{patient.sandbox}/_sandbox/prices", {"deal": 200}, method="PUT")
        try:
            yield
        finally:
            ask(f"{patient.sandbox}/_sandbox/prices", {"deal": 1}, method="PUT")
            ask(f"{patient.sandbox}/_sandbox/account", {"tokens": 1000}, method="PATCH")
            _forget_account(client)


def _forget_account(client: redis.Redis) -> None:
    for key in client.scan_iter("keepa_deals:tokens:*"):
        client.delete(key)


@contextmanager
def foreign_spender(patient: Patient) -> Iterator[None]:
    ask(f"{patient.sandbox}/_sandbox/account", {"spend": 100}, method="PATCH")
    try:
        yield
    finally:
        with patient.redis() as client:
            _forget_account(client)


@contextmanager
def locked_database(patient: Patient) -> Iterator[None]:
    connection = sqlite3.connect(patient.home.path / "deals.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


@contextmanager
def evicting_redis(patient: Patient) -> Iterator[None]:
    with patient.redis() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            yield
        finally:
            client.config_set("maxmemory-policy", "noeviction")


@contextmanager
def lost_supervisor(patient: Patient) -> Iterator[None]:
    os.kill(patient.service.pid("supervisord"), signal.SIGKILL)
    yield
    patient.service.start()
    patient.__init__(patient.service)  # type: ignore[misc]  # the sandbox has another port now


Fault = Callable[[Patient], Any]
FAULTS: dict[str, Fault] = {
    "beat_down": lambda p: program_stopped(p, "beat"),
    "worker_down": lambda p: program_stopped(p, "worker-upsert"),
    "worker_suspended": lambda p: suspended(p, "worker-upsert"),
    "redis_down": lambda p: program_stopped(p, "redis"),
    "redis_evicts": evicting_redis,
    "zombie_lock": zombie_lock,
    "keepa_trouble": keepa_fails,
    "token_starvation": deep_deficit,
    "foreign_spender": foreign_spender,
    "database_locked": locked_database,
    "dashboard_down": lambda p: program_stopped(p, "dashboard"),
    "supervisor_down": lost_supervisor,
}


@pytest.mark.parametrize("rule", FAULTS)
def test_a_fault_is_named_first_and_forgotten_when_it_has_healed(patient: Patient, rule: str) -> None:
    patient.wait_until_named()
    with FAULTS[rule](patient):
        patient.wait_until_named(rule)
        code, found, seconds = patient.examine()
        assert code == 1
        assert found["verdict"] == "problems"
        print(f"\n{rule}: named first, the script took {seconds:.1f} s")
    patient.wait_until_named()


def test_two_faults_at_once_are_both_named(patient: Patient) -> None:
    patient.wait_until_named()
    with ExitStack() as faults:
        faults.enter_context(program_stopped(patient, "beat"))
        faults.enter_context(zombie_lock(patient))
        patient.wait_until_named("beat_down", "zombie_lock")
    patient.wait_until_named()


def test_a_healthy_service_is_called_healthy_with_all_evidence(patient: Patient) -> None:
    patient.wait_until_named()
    patient.service.wait_for(lambda status: not status["problems"])
    code, found, _seconds = patient.examine("--live")
    assert (code, found["verdict"], found["causes"], found["logs"]) == (0, "healthy", [], {})
    sections = {line["section"] for line in found["sections"]}
    assert sections >= {"processes", "pid files", "redis", "locks", "tokens", "jobs", "queues"}
    assert sections >= {"database", "deals", "dashboard", "host"}
    assert any("drift against /token: 0" in line["text"] for line in found["sections"])


def test_a_bundle_holds_everything_and_no_key(patient: Patient, tmp_path: Path) -> None:
    import tarfile

    key = next(
        line.split("'")[1]
        for line in patient.home.runtime.read_text().splitlines()
        if line.startswith("KEEPA_API_KEY")
    )
    bundle = tmp_path / "bundle.tar.gz"
    patient.examine("--bundle", str(bundle))
    with tarfile.open(bundle) as archive:
        assert sorted(archive.getnames()) == ["diagnosis.json", "settings.json", "status.json"]
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            assert key not in file.read().decode()


def test_a_deployment_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    service = Service(tmp_path / "home", KEEPA_API_KEY="k" * 64)
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=service.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "1. not_running" in done.stdout
    assert "./start_celery.sh" in done.stdout
    assert "\x1b[" not in done.stdout
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_exit_2(tmp_path: Path) -> None:
    service = Service(tmp_path / "home", DASHBOARD_PORT="http")
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=service.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "DASHBOARD_PORT='http'" in done.stderr
