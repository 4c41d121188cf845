"""Faults that only the diagnosis needs, beside those of ``injectors``."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keepa_deals.deployment import supervisor
from tests.faults import injection
from tests.faults.injection import Fault
from tests.support.deployment import Service
from tests.support.paths import ROOT
from tests.support.servers.sandbox import ask

CACHELESS = ROOT / "tests" / "faults" / "cacheless_dashboard.py"
UNTIL_FELT = 60.0
"""Seconds that another program goes on spending unnoticed."""


@contextmanager
def supervisor_killed(service: Service) -> Iterator[None]:
    """kill -9 of the supervisor, and its guard can't bring it back; a start heals it."""
    with injection.suspended("guard")(service), injection.killed("supervisord")(service):
        yield
    service.start()


@contextmanager
def beat_keeps_dying(service: Service) -> Iterator[None]:
    for _ in range(3):
        old = service.pid("celerybeat")
        with injection.killed("beat")(service):
            _wait_for_another(service, "celerybeat", old)
    yield
    _forget_supervisor_log(service)


def _wait_for_another(service: Service, name: str, old: int) -> None:
    deadline = time.monotonic() + 60
    while service.pid(name) == old:
        assert time.monotonic() < deadline, f"{name} does not come back"
        time.sleep(0.1)


def _forget_supervisor_log(service: Service) -> None:
    """So that the next case begins with a clean record: supervisord appends to the same file."""
    os.truncate(service.home / "log" / "supervisord.log", 0)


@contextmanager
def second_worker(service: Service) -> Iterator[None]:
    """Somebody starts a worker by hand, beside ours."""
    command = [sys.executable, "-m", "celery", "-A", "keepa_deals.celery_app", "worker", "-Q", "upsert"]
    child = subprocess.Popen(
        [*command, "-n", "byhand@%h", "-c", "1"],
        env=service.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        child.terminate()
        child.wait(timeout=60)


@contextmanager
def column_cache_without_memory(service: Service) -> Iterator[None]:
    """The dashboard answers, and can never make its column cache."""
    path = service.layout.supervisor_conf
    before = path.read_text()
    broken = before.replace("python:keepa_deals.web.gunicorn_conf", str(CACHELESS))
    assert broken != before
    path.write_text(broken)
    supervisor.apply_configuration(service.layout)
    try:
        yield
    finally:
        path.write_text(before)
        supervisor.apply_configuration(service.layout)


def redis_setting(name: str, value: str, before: str) -> Fault:
    """Somebody changes a setting of Redis."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        with service.redis() as client:
            client.config_set(name, value)
            try:
                yield
            finally:
                client.config_set(name, before)

    return fault


@contextmanager
def redis_wants_a_password(service: Service) -> Iterator[None]:
    with service.redis() as client:
        client.config_set("requirepass", "another")
        try:
            yield
        finally:
            client.execute_command("AUTH", "another")
            client.config_set("requirepass", "")


@contextmanager
def redis_is_a_replica(service: Service) -> Iterator[None]:
    with service.redis() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            yield
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def zombie_lock(service: Service) -> Iterator[None]:
    """A lock for half an hour that something takes again and again; alone, a run frees it within seconds."""
    enough = threading.Event()

    def hold() -> None:
        with service.redis() as client:
            while not enough.wait(0.2):
                client.set(injection.UPSERT_LOCK, "elsewhere:1:1:zombie", ex=1800)
            client.delete(injection.UPSERT_LOCK)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        enough.set()
        holder.join()


@contextmanager
def wrong_clock(service: Service) -> Iterator[None]:
    with _account(service, {"clock_ahead_ms": -600_000}, {"clock_ahead_ms": 0}, forget=True):
        yield


@contextmanager
def foreign_spender(service: Service) -> Iterator[None]:
    """Another program spends until it is felt.

    A full account has 100 tokens back after five ticks, and a busy machine may not ask Keepa as often.
    """
    before = service.status()["tokens"]["foreign_at"]
    with _account(service, {"spend": 100}, {}, forget=True):
        deadline = time.monotonic() + UNTIL_FELT
        while service.status()["tokens"]["foreign_at"] == before and time.monotonic() < deadline:
            time.sleep(2)
            ask(f"{service.sandbox}/_sandbox/account", {"spend": 100}, method="PATCH")
        yield


@contextmanager
def foreign_glutton(service: Service) -> Iterator[None]:
    """Another program takes all there is, and more: 429 and starvation follow."""
    with _account(service, {"spend": 2000}, {"tokens": 1000}, forget=True):
        yield


@contextmanager
def deep_deficit(service: Service) -> Iterator[None]:
    """As after a call that cost far more than anybody could expect."""
    ask(f"{service.sandbox}/_sandbox/prices", {"deal": 200}, method="PUT")
    try:
        yield
    finally:
        ask(f"{service.sandbox}/_sandbox/prices", {"deal": 1}, method="PUT")
        with _account(service, {"tokens": 1000}, {}, forget=True):
            pass


@contextmanager
def _account(
    service: Service, change: dict[str, int], back: dict[str, int], *, forget: bool
) -> Iterator[None]:
    address = f"{service.sandbox}/_sandbox/account"
    ask(address, change, method="PATCH")
    try:
        yield
    finally:
        ask(address, back, method="PATCH")
        if forget:
            forget_account(service)


def forget_account(service: Service) -> None:
    """The books are begun anew, so that the next case starts from a known balance."""
    with service.redis() as client:
        for key in client.scan_iter("keepa_deals:tokens:*"):
            client.delete(key)


def selection_file(service: Service) -> Path:
    return Path(service.environment["KEEPA_DEAL_SELECTION"])


KEEPAS_OWN_JUDGEMENT = {"isRisers", "currentRange"}
"""Options whose changes we send; others are refused before a run, so that there is none to wait for."""


def selection(**changes: Any) -> Fault:
    """The deal query's file is changed and the workers are restarted; ``broken=True``: it is no JSON."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        path = selection_file(service)
        before = path.read_text()
        text = "{" if changes.get("broken") else json.dumps({**json.loads(before), **changes})
        _put_selection(service, path, text)
        if changes.keys() <= KEEPAS_OWN_JUDGEMENT:
            _wait_for_a_run(service)
        try:
            yield
        finally:
            _put_selection(service, path, before)

    return fault


def another_search(**changes: Any) -> Fault:
    """A search of another marketplace is added by the command line, with a query that Keepa refuses."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        path = service.home / "another.json"
        query = json.loads(selection_file(service).read_text())
        path.write_text(json.dumps({**query, "domainId": 3, **changes}))
        _command(service, "search", "add", "another", str(path))
        _wait_for_a_run(service)
        try:
            yield
        finally:
            _command(service, "search", "remove", "another")
            _wait_for_a_run(service)

    return fault


def _command(service: Service, *arguments: str) -> None:
    command = [sys.executable, "-m", "keepa_deals", *arguments]
    subprocess.run(command, env=service.environment, cwd=service.root, check=True, timeout=60)


def _wait_for_a_run(service: Service) -> None:
    """Until the upserter has run to its end anew, whatever the outcome."""
    before = service.status()["taken_at"]
    service.wait_for(lambda s: (s["jobs"]["update_recent_deals"]["last_finished_at"] or "") > before)


def _put_selection(service: Service, path: Path, text: str) -> None:
    path.write_text(text)
    for name in ("worker-upsert", "worker-backfill"):
        supervisor.stop_program(service.layout, name)
    for name in ("worker-upsert", "worker-backfill"):
        supervisor.start_program(service.layout, name)


@contextmanager
def missing_database(service: Service) -> Iterator[None]:
    path = service.home / "deals.db"
    with _workers_stopped(service):
        pass
    hidden = service.home / "deals.db.hidden"
    path.rename(hidden)
    try:
        yield
    finally:
        for name in ("worker-upsert", "worker-backfill"):
            supervisor.stop_program(service.layout, name)
        for part in service.home.glob("deals.db*"):
            if part != hidden:
                part.unlink()
        hidden.rename(path)
        for name in ("worker-upsert", "worker-backfill"):
            supervisor.start_program(service.layout, name)


@contextmanager
def damaged_database(service: Service) -> Iterator[None]:
    """The file's middle is overwritten while nobody writes."""
    path = service.home / "deals.db"
    with _workers_stopped(service):
        _checkpoint(path)
        copy = shutil.copy(path, service.home / "good.copy")
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(os.urandom(64 << 10))
    try:
        yield
    finally:
        with _workers_stopped(service):
            for part in service.home.glob("deals.db-*"):
                part.unlink()
            shutil.move(copy, path)


@contextmanager
def _workers_stopped(service: Service) -> Iterator[None]:
    names = ("worker-upsert", "worker-backfill", "dashboard")
    for name in names:
        supervisor.stop_program(service.layout, name)
    try:
        yield
    finally:
        for name in names:
            supervisor.start_program(service.layout, name)


def _checkpoint(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def sql(do: str, undo: str | None = None) -> Fault:
    """Somebody changes the database by hand."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        _execute(service, do)
        try:
            yield
        finally:
            if undo:
                _execute(service, undo)

    return fault


def _execute(service: Service, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(service.home / "deals.db", timeout=20)) as connection, connection:
        connection.execute(statement)


@contextmanager
def rows_deleted(service: Service) -> Iterator[None]:
    """Somebody deletes half of the deals by hand; they come back at the end."""
    _execute(service, "CREATE TABLE kept AS SELECT * FROM deals WHERE rowid % 2")
    _execute(service, "DELETE FROM deals WHERE rowid % 2")
    try:
        yield
    finally:
        _execute(service, "INSERT OR IGNORE INTO deals SELECT * FROM kept")
        _execute(service, "DROP TABLE kept")


def file_mode(name: str, *, mode: int | None = None, owner: int | None = None) -> Fault:
    """A file of the home gets another mode or owner."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        path = service.home / name
        before = path.stat()
        if mode is not None:
            path.chmod(mode)
        if owner is not None:
            os.chown(path, owner, -1)
        try:
            yield
        finally:
            path.chmod(before.st_mode)
            os.chown(path, before.st_uid, -1)

    return fault


@contextmanager
def read_only_disk(service: Service) -> Iterator[None]:
    """The home turns read-only for whoever opens a file from now on; needs root."""
    home = str(service.home)
    subprocess.run(["mount", "--bind", home, home], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", home], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)


@contextmanager
def wrong_setting(service: Service) -> Iterator[None]:
    """Somebody edits the environment of the next start."""
    before = service.environment["DASHBOARD_PORT"]
    service.environment["DASHBOARD_PORT"] = "http"
    try:
        yield
    finally:
        service.environment["DASHBOARD_PORT"] = before


@contextmanager
def stranger_beside(service: Service) -> Iterator[None]:
    """Another Celery application of the same user, with a worker and a beat, on the same machine."""
    folder = service.home.parent / "stranger"
    folder.mkdir(exist_ok=True)
    (folder / "stranger.py").write_text("from celery import Celery\napp = Celery(broker='memory://')\n")
    environment = {k: v for k, v in service.environment.items() if not k.startswith("KEEPA")}
    quiet = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    base = [sys.executable, "-m", "celery", "-A", "stranger"]
    children = [subprocess.Popen([*base, *rest], **quiet) for rest in (["worker", "-c", "1"], ["beat"])]  # type: ignore[call-overload]
    try:
        yield
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(timeout=60)


def nobody() -> int:
    return 65534


@contextmanager
def small_plan(service: Service) -> Iterator[None]:
    """The subscription is changed to the smallest there is."""
    with _account(service, {"refill_rate": 1}, {"refill_rate": 20, "tokens": 1000}, forget=True):
        forget_account(service)
        yield


@contextmanager
def upserter_away_for_a_window(service: Service) -> Iterator[None]:
    """No upserter until half of the deals are stale: the fault that this system was built against."""
    with injection.stopped("worker-upsert")(service):
        service.wait_for(lambda s: s["deals"]["stale"] > 100, 150)
        yield
