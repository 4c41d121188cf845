"""Faults to put into a running deployment: each a context manager that heals at its end, for any suite.

A fault takes a :class:`~tests.support.deployment.Service`; the ones with options are made by a function
that returns such a fault: ``with killed("beat")(service): ...``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from keepa_deals.deployment import dashboard_probe, supervisor
from keepa_deals.locks import read_holder
from tests.support.deployment import Service
from tests.support.servers.sandbox import ask
from tests.support.slow_connections import slow_connections

Fault = Callable[[Service], AbstractContextManager[Any]]

UPSERT_LOCK = "update_recent_deals_lock"
ZOMBIE_SECONDS = 1800
FEW_FILES = 8
"""A running dashboard has taken all of these numbers, so that none is free; without any poll() would fail."""


# -- processes -----------------------------------------------------------------------------------
def killed(*names: str) -> Fault:
    """kill -9 of these programs, at the same moment; nobody heals them but the service itself."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        pids = [service.pid("celerybeat" if name == "beat" else name) for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        yield

    return fault


@contextmanager
def everything_killed(service: Service) -> Iterator[None]:
    """kill -9 of all there is, the supervisor first; heals by a start, as after a reboot."""
    kill_all(service)
    yield
    service.start()


def kill_all(service: Service) -> None:
    """kill -9 of every process of the deployment, the supervisor first; returns when none is left."""
    processes = service.processes()
    for process in sorted(processes, key=lambda p: "supervisord" not in " ".join(p.cmdline())):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
    for late in service.processes():  # born while we looked
        with contextlib.suppress(psutil.NoSuchProcess):
            late.kill()
            late.wait(timeout=10)


def stopped(name: str) -> Fault:
    """The supervisor is told to keep this program down."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        supervisor.stop_program(service.layout, name)
        try:
            yield
        finally:
            supervisor.start_program(service.layout, name)

    return fault


def suspended(name: str) -> Fault:
    """SIGSTOP for a program and its children: alive, and deaf to everything but KILL; heals by SIGCONT."""

    @contextmanager
    def fault(service: Service) -> Iterator[list[psutil.Process]]:
        family = family_of(service, name)
        for process in family:
            process.suspend()
        try:
            yield family
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    return fault


def deaf_dashboard(*, master: bool = False) -> Fault:
    """SIGSTOP of the dashboard's process that answers, with ``master`` of its watcher too.

    Nobody but the service heals it; ends when it has: the deaf processes are gone and the probe is answered.
    """

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        head, *workers = family_of(service, "dashboard")
        deaf = [*workers, head] if master else workers
        for process in deaf:
            process.suspend()
        try:
            with _replaced(service, workers):
                yield
        finally:
            for process in deaf:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    return fault


@contextmanager
def dashboard_without_files(service: Service) -> Iterator[None]:
    """The dashboard runs and may open no file any more: it takes no connection.

    Nobody but the service heals it, as with :func:`deaf_dashboard`.
    """
    _, *workers = family_of(service, "dashboard")
    for process in workers:
        process.rlimit(psutil.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
    with _replaced(service, workers):
        yield


@contextmanager
def _replaced(service: Service, deaf: list[psutil.Process]) -> Iterator[None]:
    assert deaf, "the dashboard has no process that answers"
    assert not dashboard_probe.answers(service.address, 2.0), "it is not deaf"
    yield
    wait_until_heard(service)
    _, alive = psutil.wait_procs(deaf, timeout=30)
    assert not alive, f"still there: {alive}"


def wait_until_heard(service: Service, patience: float = 180.0) -> None:
    """Return when the dashboard answers its probe."""
    deadline = time.monotonic() + patience
    while not dashboard_probe.answers(service.address, 5.0):
        assert time.monotonic() < deadline, f"the dashboard has answered nobody for {patience:.0f} s"
        time.sleep(0.2)


@contextmanager
def slow_readers(service: Service) -> Iterator[None]:
    """Two hundred connections that send a line and wait, trickle a body, or leave the answer unread."""
    with slow_connections(service.address, idle=50, headers=50, body=50, unread=50):
        yield


def listed_page(service: Service, patience: float = 60.0) -> None:
    """Return when the dashboard answers its list of deals."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(f"{service.address}/?sort=profit", timeout=10) as answer:
                assert b"<table" in answer.read()
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"no page for {patience:.0f} s: {error}") from None
            time.sleep(0.2)


def family_of(service: Service, name: str) -> list[psutil.Process]:
    """A program's process and its children."""
    head = psutil.Process(service.pid("celerybeat" if name == "beat" else name))
    return [head, *head.children(recursive=True)]


# -- locks ---------------------------------------------------------------------------------------
@contextmanager
def lock_holder_killed(service: Service) -> Iterator[None]:
    """kill -9 of the worker and of its child that holds the upserter's lock, in the middle of a run."""
    with slow_keepa(service):
        holder = wait_for_holder(service)
        family = family_of(service, "worker-upsert")
        assert holder in [process.pid for process in family]
        for process in family:
            process.kill()
    yield


@contextmanager
def zombie_lock(service: Service) -> Iterator[None]:
    """The upserter's lock was left by somebody whom we can't look at, with half an hour to live."""
    with service.redis() as client:
        client.set(UPSERT_LOCK, "elsewhere:1:1:zombie", ex=ZOMBIE_SECONDS)
        yield


def wait_for_holder(service: Service, seconds: float = 30) -> int:
    """The pid that holds the upserter's lock, as soon as one does."""
    deadline = time.monotonic() + seconds
    with service.redis() as client:
        while (holder := read_holder(client, UPSERT_LOCK)) is None or holder.pid is None:
            assert time.monotonic() < deadline, "nobody takes the upserter's lock"
            time.sleep(0.005)
        return holder.pid


# -- Redis ---------------------------------------------------------------------------------------
@contextmanager
def flushed_redis(service: Service) -> Iterator[None]:
    """Somebody calls FLUSHALL."""
    with service.redis() as client:
        client.flushall()
    yield


@contextmanager
def evicting_redis(service: Service) -> Iterator[None]:
    """Somebody lets Redis evict keys."""
    with service.redis() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            yield
        finally:
            client.config_set("maxmemory-policy", "noeviction")


@contextmanager
def another_password(service: Service) -> Iterator[None]:
    """Redis wants a password that is not the one in ``REDIS_URL``, of those who are connected as well."""
    with service.redis() as client:
        right = client.config_get("requirepass")["requirepass"]
        client.config_set("requirepass", "another")
        client.client_kill_filter(_type="normal", skipme=True)
        try:
            yield
        finally:
            client.config_set("requirepass", right)


# -- Keepa ---------------------------------------------------------------------------------------
def keepa_answers(**shares: float) -> Fault:
    """The sandbox damages this share of its answers: ``keepa_answers(http_500=1)``, ``(garbage=0.5)``."""
    wanted = {name.removeprefix("http_"): share for name, share in shares.items()}

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        ask(f"{service.sandbox}/_sandbox/faults", wanted, method="PUT")
        try:
            yield
        finally:
            ask(f"{service.sandbox}/_sandbox/faults", {}, method="PUT")

    return fault


@contextmanager
def absurd_account(service: Service) -> Iterator[None]:
    """Each answer tells of an account that cannot be: a balance and a refill of a billion, a clock that is
    300 years ahead. The sandbox has its account back at the end."""
    address = f"{service.sandbox}/_sandbox/account"
    told = ask(f"{service.sandbox}/token?key={service.settings.api_key}")
    ask(address, {"refill_rate": 10**9, "tokens": 10**9, "clock_ahead_ms": 10**13}, method="PATCH")
    try:
        yield
    finally:
        ask(
            address,
            {"refill_rate": told["refillRate"], "tokens": told["tokensLeft"], "clock_ahead_ms": 0},
            method="PATCH",
        )


slow_keepa = keepa_answers(slow=1)
"""Each answer comes three seconds late: a run then surely holds its lock when we look."""
wrong_key = keepa_answers(http_402=1)


# -- database and disk -----------------------------------------------------------------------------
@contextmanager
def locked_database(service: Service) -> Iterator[None]:
    """Another program holds SQLite's write lock."""
    connection = sqlite3.connect(service.home / "deals.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


@contextmanager
def full_disk(service: Service) -> Iterator[None]:
    """Not a byte is left where the home is; it must be a file system of its own (:func:`small_disk`)."""
    assert os.path.ismount(service.home), "this would fill the machine's disk"
    ballast = service.home / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)
        yield
    finally:
        ballast.unlink()


@contextmanager
def small_disk(home: Path, megabytes: int = 256) -> Iterator[None]:
    """A file system of its own, in memory, for a home; needs root."""
    home.mkdir(parents=True)
    size = f"size={megabytes}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(home)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def both(*faults: Fault) -> Fault:
    """Several faults at once."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        with ExitStack() as stack:
            for one in faults:
                stack.enter_context(one(service))
            yield

    return fault


def healed(fault: Fault, seconds: float) -> Fault:
    """A fault that is over after so many seconds, before anybody looks."""

    @contextmanager
    def over(service: Service) -> Iterator[None]:
        with fault(service):
            time.sleep(seconds)  # the fault has to last for a while: there is no event to wait for
        yield

    return over
