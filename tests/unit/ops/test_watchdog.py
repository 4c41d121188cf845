"""The guard: whom it takes for the supervisor, when it acts, and what it does again when it fails."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepa_deals.deployment import supervisor
from keepa_deals.deployment.errors import OpsError, UnhealthyError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.operation_lock import abandoned, only_one
from keepa_deals.deployment.processes import MARK
from keepa_deals.ops import healing, watchdog
from keepa_deals.ops import start as starting

Stand = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


@pytest.fixture
def heals_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard heals in the test's own process, where a start can be imitated."""
    monkeypatch.setattr(watchdog, "heal_apart", healing.heal)


@pytest.fixture
def stand() -> Iterator[Stand]:
    """Starts a process that does nothing but has a name and a mark."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, mark: Path) -> subprocess.Popen[bytes]:
        code = "import sys; print(flush=True); sys.stdin.read()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, name],
            env={MARK: str(mark)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()  # until then its name and its mark are still ours
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_clock_that_was_set_does_not_hide_the_supervisor(home: Home, stand: Stand) -> None:
    process = stand("supervisord", home.path)
    home.supervisor_pid.write_text(f"{process.pid}\n")
    written = home.supervisor_pid.stat().st_mtime
    for shift in (-86_400, -30, 30, 86_400):
        os.utime(home.supervisor_pid, (written + shift, written + shift))
        found = supervisor.live_supervisor(home)
        assert found is not None
        assert found.pid == process.pid


@pytest.mark.parametrize(("name", "mark"), [("supervisord", "another"), ("celery", "home")])
def test_a_process_that_has_got_the_supervisors_pid_is_not_it(
    home: Home, stand: Stand, name: str, mark: str
) -> None:
    home.supervisor_pid.write_text(f"{stand(name, home.path.with_name(mark)).pid}\n")
    assert supervisor.live_supervisor(home) is None


class _EnoughError(BaseException):
    """Ends a guard, which never ends by itself."""


@pytest.mark.parametrize("lie", ["", "1", "no number"])
def test_a_guard_under_a_live_supervisor_starts_and_ends_nothing_whatever_the_pid_file_says(
    home: Home, stand: Stand, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    parent = stand("supervisord", home.path)
    home.supervisor_pid.write_text(lie)
    monkeypatch.setattr(os, "getppid", lambda: parent.pid)

    def looks_for_the_dead(path: Path) -> None:
        raise _EnoughError

    def start(*_: object, **__: object) -> None:
        pytest.fail("the supervisor lives")

    monkeypatch.setattr(watchdog, "abandoned", looks_for_the_dead)
    monkeypatch.setattr(starting, "start", start)
    with pytest.raises(_EnoughError):
        watchdog.watch(home)


@pytest.mark.usefixtures("heals_here")
def test_the_log_of_a_guard_that_tries_for_ever_stays_small(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = iter(range(3))

    def start(*_: object, **__: object) -> None:
        if next(tries, None) is None:
            os._exit(0)
        os.write(2, b"x" * 1000)
        raise OpsError("the disk is full")

    monkeypatch.setattr(starting, "start", start)
    monkeypatch.setattr(watchdog, "TRY_AGAIN", 0)
    monkeypatch.setattr(watchdog, "MAX_LOG_BYTES", 900)
    child = multiprocessing.get_context("fork").Process(target=watchdog.watch, args=(home,))
    child.start()
    child.join()
    sizes = {file.name: file.stat().st_size for file in home.log.glob("guard.log*")}
    assert sizes.keys() == {"guard.log", "guard.log.1"}
    assert max(sizes.values()) < 2000


@pytest.mark.usefixtures("heals_here")
@pytest.mark.parametrize("trouble", [OpsError("the database is locked"), KeyError("x"), OSError(28, "full")])
def test_a_guard_goes_on_with_a_dead_deploy_until_nothing_is_left_of_it(
    home: Home, stand: Stand, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    parent = stand("supervisord", home.path)
    monkeypatch.setattr(os, "getppid", lambda: parent.pid)
    monkeypatch.setattr(watchdog, "TRY_AGAIN", 0)
    home.operation_lock.write_text('{"what": "deploy", "pid": 4194304, "started": 1.0}')
    tries = []

    def start(*_: object, **__: object) -> None:
        tries.append(abandoned(home.operation_lock))
        if len(tries) < 3:
            raise trouble

    def looks_for_the_dead(path: Path) -> str | None:
        if len(tries) == 3:
            raise _EnoughError
        return abandoned(path)

    monkeypatch.setattr(starting, "start", start)
    monkeypatch.setattr(watchdog, "abandoned", looks_for_the_dead)
    with pytest.raises(_EnoughError):
        watchdog.watch(home)
    assert abandoned(home.operation_lock) is None


@pytest.mark.usefixtures("heals_here")
@pytest.mark.parametrize("trouble", [UnhealthyError("Keepa is down"), OpsError("beat does not stay alive")])
def test_what_was_started_and_does_not_work_is_not_the_guards_affair(
    home: Home, stand: Stand, monkeypatch: pytest.MonkeyPatch, trouble: OpsError
) -> None:
    parent = stand("supervisord", home.path)
    monkeypatch.setattr(os, "getppid", lambda: parent.pid)
    home.operation_lock.write_text('{"what": "deploy", "pid": 4194304, "started": 1.0}')

    def start(*_: object, **__: object) -> None:
        monkeypatch.setattr(supervisor, "supervisor_above", lambda home: None)
        raise trouble

    monkeypatch.setattr(supervisor, "stopped", lambda home: [])
    home.supervisor_pid.write_text(str(parent.pid))
    monkeypatch.setattr(starting, "start", start)
    watchdog.watch(home)
    assert abandoned(home.operation_lock) is None, "a guard at work would keep the operator's start away"


def test_a_guard_heals_in_a_process_that_takes_its_turn(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    with only_one(home.operation_lock, "deploy"):
        assert watchdog.heal_apart(home, "the supervisor is gone") == watchdog.BUSY
    assert f"another operation is at work here: deploy (pid {os.getpid()})" in capfd.readouterr().err


def test_a_guard_goes_when_another_supervisor_runs(home: Home, stand: Stand) -> None:
    home.supervisor_pid.write_text(f"{stand('supervisord', home.path).pid}")
    watchdog.watch(home)


def test_a_look_that_fails_does_not_end_the_guard(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def above(_: Home) -> None:
        looks.append(1)
        if len(looks) < 3:
            raise OSError(24, "too many open files")
        raise _EnoughError

    monkeypatch.setattr(supervisor, "supervisor_above", above)
    monkeypatch.setattr(watchdog, "TRY_AGAIN", 0)
    with pytest.raises(_EnoughError):
        watchdog.watch(home)
    assert len(looks) == 3
