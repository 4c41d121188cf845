"""Other users of the machine: what they write, name and hold aims none of our signals, and harms no file."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from keepa_deals.deployment import supervisor
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.operation_lock import holder, only_one
from keepa_deals.deployment.processes import HOME_VARIABLE, MARK, is_ours, ours, trusted_users
from keepa_deals.ops.stop import end_other_operation, stop_everything

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

OWNER, STRANGER = 64101, 64102
Start = Callable[..., psutil.Popen]


@pytest.fixture
def home() -> Iterator[Home]:
    """A home of root's, in a folder that all may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        home = Home(Path(name).resolve() / "home")
        home.make()
        yield home


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program that sleeps, under any name, as any user, with any environment."""
    started: list[psutil.Popen] = []

    def start(*words: str, user: int, home: Path | None = None, variable: str = MARK) -> psutil.Popen:
        name, *arguments = words or ("sleep", "600")
        process = psutil.Popen(
            [name, "-c", "echo up; read -r _", *arguments],
            executable="/bin/bash",  # which everybody may run
            user=user,
            group=user,
            env={variable: str(home)} if home is not None else {},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.communicate()  # the end of what it reads ends it


def said(action: Callable[[Home, Callable[[str], None]], None], home: Home) -> str:
    lines: list[str] = []
    action(home, lines.append)
    return "\n".join(lines)


@pytest.mark.parametrize("variable", [MARK, HOME_VARIABLE])
@pytest.mark.parametrize("names", [("sleep",), ("python", "supervisord"), ("redis-server", "x.conf")])
def test_a_stranger_that_carries_our_mark_and_is_named_by_our_pid_file_is_left_alone(
    home: Home, start: Start, variable: str, names: tuple[str, ...]
) -> None:
    process = start(*names, user=STRANGER, home=home.path, variable=variable)
    for file in (home.supervisor_pid, home.beat_pid, home.run / "dashboard.pid"):
        file.write_text(f"{process.pid}\n")
    assert not is_ours(process, home.path)
    assert supervisor.live_supervisor(home) is None
    assert "nothing of this deployment was running" in said(stop_everything, home)
    assert process.is_running()
    assert process.poll() is None


def test_root_ends_what_the_home_s_owner_runs_and_nobody_else_s(home: Home, start: Start) -> None:
    for folder in (home.path, home.run):
        os.chown(folder, OWNER, OWNER)
    his, mine, other = (start(user=user, home=home.path) for user in (OWNER, 0, STRANGER))
    assert {process.pid for process in ours(home.path)} == {his.pid, mine.pid}
    said(stop_everything, home)
    assert his.wait(10) is not None
    assert mine.wait(10) is not None
    assert other.poll() is None


def test_a_home_that_is_lent_trusts_whoever_made_its_run_folder(home: Home, start: Start) -> None:
    os.chown(home.run, OWNER, OWNER)
    process = start(user=OWNER, home=home.path)
    assert is_ours(process, home.path)


def test_a_program_that_a_stranger_lets_run_as_root_is_not_ours(
    home: Home, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(user=0, home=home.path)
    assert is_ours(process, home.path)
    uids = type(process.uids())
    monkeypatch.setattr(psutil.Process, "uids", lambda self: uids(STRANGER, 0, 0))
    assert not is_ours(psutil.Process(process.pid), home.path)


def test_a_lying_operation_lock_aims_no_signal(home: Home, start: Start) -> None:
    process = start(user=STRANGER)
    word = {"what": "deploy", "pid": process.pid, "started": process.create_time()}
    home.operation_lock.write_text(json.dumps(word))
    assert holder(home.operation_lock) is None
    assert said(end_other_operation, home) == ""
    assert process.poll() is None


def test_a_stranger_that_holds_the_operation_lock_is_named_and_left_alone(home: Home) -> None:
    home.operation_lock.touch(mode=0o600)
    for folder in (home.path, home.run):
        folder.chmod(0o711)
    home.operation_lock.chmod(0o644)
    with holding(home.operation_lock, STRANGER) as process:
        found = holder(home.operation_lock)
        assert found is not None
        assert found.process.pid == process.pid
        assert "another user's" in said(end_other_operation, home)
        assert process.poll() is None


@contextmanager
def holding(path: Path, user: int) -> Iterator[subprocess.Popen[str]]:
    """A process of ``user`` that holds the lock at ``path``."""
    with subprocess.Popen(
        ["flock", "-o", str(path), "bash", "-c", "echo held; read -r _"],
        user=user,
        group=user,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate()


def test_a_lock_on_another_file_of_the_same_number_is_nobody_s_claim(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with only_one(home.operation_lock, "start"):
        inode = home.operation_lock.stat().st_ino
    elsewhere = Path("/dev/shm") / f"keepa-deals-test-{os.getpid()}"
    with elsewhere.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        line = f"1: FLOCK  ADVISORY  WRITE {os.getpid()} 00:99:{inode} 0 EOF\n"
        monkeypatch.setattr(Path, "read_text", lambda self, **_: line if str(self) == "/proc/locks" else "")
        assert holder(home.operation_lock) is None
    elsewhere.unlink()


def test_a_run_folder_that_is_a_link_costs_no_other_folder_its_files(home: Home, tmp_path: Path) -> None:
    (tmp_path / "sshd.pid").write_text("1")
    home.run.rmdir()
    home.run.symlink_to(tmp_path)
    said(stop_everything, home)
    assert (tmp_path / "sshd.pid").exists()


def test_a_home_that_is_not_there_trusts_root_and_ourselves_alone(tmp_path: Path) -> None:
    assert trusted_users(tmp_path / "none") == {0, os.geteuid()}
