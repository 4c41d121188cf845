"""Faults for the diagnosis: what is injected into a running deployment, and what the script must name.

``python -m tests.faults.diagnosis_table`` injects them all and prints what was named.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepa_deals import settings
from keepa_deals.ops import supervise
from tests.faults import injectors
from tests.faults.injectors import Fault
from tests.support.sandboxes import ask
from tests.support.service import ROOT, Service

SCRIPT = ROOT / "Diagnostics" / "diagnose_dwindling_deals.py"
SELECTION = "selection.json"
PATIENCE = 150.0
"""Seconds for a fault to be named, and for a healed one to be forgotten."""
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
    """A deployment, and the script that looks at it."""

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

    def wait_for_roots(self, *expected: str) -> Look:
        """The first look whose own causes are exactly these."""
        deadline = time.monotonic() + PATIENCE
        while (look := self.examine()).roots != expected:
            told = [(c["rule"], c["evidence"]) for c in look.found["causes"]]
            assert time.monotonic() < deadline, f"named {told}, expected {expected}"
        return look


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
        look = patient.examine(*case.arguments)
        while len(look.roots) < len(case.named) and time.monotonic() - began < PATIENCE:
            look = patient.examine(*case.arguments)
        after = time.monotonic() - began
    healthy = patient.wait_for_roots()
    if case.past:
        told = healthy.past
        assert case.past in told, f"{case.name}: told as past: {told}, expected {case.past}"
    follow = tuple(c["rule"] for c in look.found["causes"] if c["follows_from"])
    return Result(case, look.roots, after, look.seconds, follow)


# -- faults that only the diagnosis needs ------------------------------------------------------------
@contextmanager
def supervisor_killed(service: Service) -> Iterator[None]:
    """kill -9 of the supervisor, and its guard can't bring it back; a start heals it."""
    with injectors.suspended("guard")(service), injectors.killed("supervisord")(service):
        yield
    service.start()


@contextmanager
def beat_keeps_dying(service: Service) -> Iterator[None]:
    for _ in range(3):
        old = service.pid("celerybeat")
        with injectors.killed("beat")(service):
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
    """A dead process's lock; a run cuts it down to our time to live, which nobody has to wait for here."""
    with injectors.zombie_lock(service):
        try:
            yield
        finally:
            with service.redis() as client:
                client.delete(injectors.UPSERT_LOCK)


@contextmanager
def wrong_clock(service: Service) -> Iterator[None]:
    with _account(service, {"clock_ahead_ms": -600_000}, {"clock_ahead_ms": 0}, forget=True):
        yield


@contextmanager
def foreign_spender(service: Service) -> Iterator[None]:
    with _account(service, {"spend": 100}, {}, forget=True):
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


def selection(**changes: Any) -> Fault:
    """The deal query's file is changed and the workers are restarted; ``broken=True``: it is no JSON."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        path = selection_file(service)
        before = path.read_text()
        text = "{" if changes.get("broken") else json.dumps({**json.loads(before), **changes})
        _put_selection(service, path, text)
        if not changes.get("broken"):
            _wait_for_a_run(service)
        try:
            yield
        finally:
            _put_selection(service, path, before)

    return fault


def _wait_for_a_run(service: Service) -> None:
    """Until the upserter has run to its end anew, whatever the outcome."""
    before = service.status()["taken_at"]
    service.wait_for(lambda s: (s["jobs"]["update_recent_deals"]["last_finished_at"] or "") > before)


def _put_selection(service: Service, path: Path, text: str) -> None:
    path.write_text(text)
    for name in ("worker-upsert", "worker-backfill"):
        supervise.stop_program(service.layout, name)
    for name in ("worker-upsert", "worker-backfill"):
        supervise.start_program(service.layout, name)


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
            supervise.stop_program(service.layout, name)
        for part in service.home.glob("deals.db*"):
            if part != hidden:
                part.unlink()
        hidden.rename(path)
        for name in ("worker-upsert", "worker-backfill"):
            supervise.start_program(service.layout, name)


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
        supervise.stop_program(service.layout, name)
    try:
        yield
    finally:
        for name in names:
            supervise.start_program(service.layout, name)


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
    with injectors.stopped("worker-upsert")(service):
        service.wait_for(lambda s: s["deals"]["stale"] > 100, 150)
        yield


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
            mounted: AbstractContextManager[None] = injectors.small_disk(home, DISK_MB)
            stack.enter_context(mounted)
        except (OSError, subprocess.CalledProcessError):
            yield False
        else:
            yield True


CASES = (
    # processes
    Case("beat stopped", ("beat_down",), injectors.stopped("beat"), short=True),
    Case("beat kill -9", (), healed(injectors.killed("beat"), 3), past="beat_down", short=True),
    Case("beat kill -9, three times", ("program_crashing",), beat_keeps_dying),
    Case("beat SIGSTOP", ("process_suspended",), injectors.suspended("beat")),
    Case("upsert worker stopped", ("worker_down",), injectors.stopped("worker-upsert"), short=True),
    Case("upsert worker kill -9", (), healed(injectors.killed("worker-upsert"), 3), past="worker_down"),
    Case("upsert worker SIGSTOP", ("worker_suspended",), injectors.suspended("worker-upsert"), short=True),
    Case("backfill worker stopped", ("worker_down",), injectors.stopped("worker-backfill")),
    Case("backfill worker SIGSTOP", ("worker_suspended",), injectors.suspended("worker-backfill")),
    Case("a second worker by hand", ("processes_doubled",), second_worker),
    Case("dashboard stopped", ("dashboard_down",), injectors.stopped("dashboard"), short=True),
    Case("dashboard SIGSTOP", ("process_suspended",), injectors.suspended("dashboard")),
    Case("sandbox stopped", ("sandbox_down",), injectors.stopped("sandbox")),
    Case("sandbox SIGSTOP (--live)", ("process_suspended",), injectors.suspended("sandbox"),
         arguments=("--live",)),
    Case("supervisor kill -9", ("supervisor_down",), supervisor_killed, short=True),
    Case("all kill -9", ("not_running",), injectors.everything_killed),
    Case("another Celery beside us", (), healed(stranger_beside, 4)),
    # Redis
    Case("Redis stopped", ("redis_down",), injectors.stopped("redis"), short=True),
    Case("Redis kill -9", (), healed(injectors.killed("redis"), 3), past="redis_down"),
    Case("Redis SIGSTOP", ("process_suspended",), injectors.suspended("redis"), short=True),
    Case("Redis FLUSHALL", (), healed(injectors.flushed_redis, 8), past="redis_lost_data"),
    Case("Redis evicts", ("redis_evicts",), injectors.evicting_redis, short=True),
    Case("Redis full", ("redis_full",), redis_setting("maxmemory", "1mb", "0")),
    Case("Redis wants a password", ("redis_down",), redis_wants_a_password),
    Case("Redis is a replica", ("redis_replica",), redis_is_a_replica),
    Case("zombie lock", ("zombie_lock",), zombie_lock, short=True),
    # database, disk, files
    Case("database locked", ("database_locked",), injectors.locked_database, short=True),
    Case("database missing", ("database_unavailable",), missing_database),
    Case("database damaged", ("database_damaged",), damaged_database),
    Case("migration behind", ("database_not_migrated",), sql(
        "UPDATE alembic_version SET version_num = 'x' || version_num",
        "UPDATE alembic_version SET version_num = substr(version_num, 2)")),
    Case("disk full", ("disk_full",), injectors.full_disk, short=True),
    Case("disk read-only", ("home_not_writable",), read_only_disk),
    Case("database of another user", ("home_not_writable",), file_mode("deals.db", owner=nobody())),
    Case("home open to others", ("home_exposed",), file_mode(".", mode=0o755)),
    Case("wrong setting", ("settings_wrong",), wrong_setting, short=True),
    # Keepa
    Case("Keepa 502", ("keepa_trouble",), injectors.keepa_answers(http_502=1), past="keepa_trouble",
         short=True),
    Case("Keepa 500, now and then", (), healed(injectors.keepa_answers(http_500=0.3), 8)),
    Case("Keepa garbage", ("keepa_trouble",), injectors.keepa_answers(garbage=1)),
    Case("Keepa breaks off", ("keepa_trouble",), injectors.keepa_answers(truncated=1)),
    Case("Keepa silent", ("keepa_trouble",), injectors.keepa_answers(timeout=1)),
    Case("wrong key", ("key_refused",), injectors.wrong_key, short=True),
    Case("query rejected (400)", ("selection_rejected",), selection(dateRange=7)),
    Case("query no JSON", ("selection_rejected",), selection(broken=True)),
    Case("query matches nothing", ("selection_matches_nothing",), selection(currentRange=[1, 2])),
    Case("Keepa's clock wrong", ("clock_wrong",), wrong_clock),
    # tokens and freshness
    Case("foreign spender", ("foreign_spender",), foreign_spender, short=True),
    Case("foreign spender takes all", ("foreign_spender",), foreign_glutton),
    Case("deep deficit", ("token_starvation",), deep_deficit, short=True),
    Case("job paused", ("job_paused",), sql(
        "UPDATE job_states SET paused = 1 WHERE name LIKE '%backfill_deals'",
        "UPDATE job_states SET paused = 0")),
    Case("rows deleted by hand", ("janitor_at_work",), rows_deleted),
)  # fmt: skip
SHORT_WINDOW = (
    Case("plan too small for the selection", ("budget_too_small",), small_plan),
    Case("upserter away, deals dwindle", ("worker_down",), upserter_away_for_a_window, past="deals_stale"),
)
"""Cases for a freshness window of a minute."""
TWO_AT_ONCE = (
    Case("beat stopped, database locked", ("database_locked", "beat_down"), both(
        injectors.stopped("beat"), injectors.locked_database), short=True),
    Case("wrong key, backfill worker SIGSTOP", ("worker_suspended", "key_refused"), both(
        injectors.wrong_key, injectors.suspended("worker-backfill"))),
    Case("dashboard stopped, Redis evicts", ("redis_evicts", "dashboard_down"), both(
        injectors.stopped("dashboard"), injectors.evicting_redis)),
)  # fmt: skip
