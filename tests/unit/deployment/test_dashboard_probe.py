"""A dashboard that runs and answers nobody is started anew, and no other one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepa_deals.deployment import dashboard_probe, supervisor
from keepa_deals.deployment.dashboard_probe import ASK_EVERY, DEAF_AFTER, DashboardProbe, answers
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.operation_lock import only_one
from keepa_deals.deployment.supervisor import Supervised


class Scene:
    """A supervisor with a dashboard, and a clock that goes on by as much as is asked for."""

    def __init__(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.now = 1000.0
        self.hears = True
        self.state = "RUNNING"
        self.done: list[str] = []
        monkeypatch.setattr(supervisor, "states", self.states)
        monkeypatch.setattr(supervisor, "stop_program", lambda _, name: self.done.append(f"stop {name}"))
        monkeypatch.setattr(supervisor, "start_program", lambda _, name: self.done.append(f"start {name}"))
        self.probe = DashboardProbe(home, lambda *_: self.hears, lambda: self.now)

    def states(self, _: Home) -> list[Supervised]:
        return [Supervised("beat", "RUNNING", 1, "", 0), Supervised("dashboard", self.state, 2, "", 0)]

    def pass_time(self, seconds: float) -> None:
        ends = self.now + seconds
        while self.now < ends:
            self.now += 2
            self.probe.run()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    home = Home(tmp_path / "home")
    home.make()
    return Scene(home, monkeypatch)


AGAIN = ["stop dashboard", "start dashboard"]


def test_one_that_answers_is_left_alone(scene: Scene) -> None:
    scene.pass_time(600)
    assert scene.done == []


def test_one_that_is_silent_for_a_minute_is_started_anew_once(scene: Scene) -> None:
    scene.hears = False
    scene.pass_time(DEAF_AFTER - 2 * ASK_EVERY)
    assert scene.done == []
    scene.pass_time(4 * ASK_EVERY)
    assert scene.done == AGAIN
    scene.hears = True
    scene.pass_time(600)
    assert scene.done == AGAIN


def test_a_moment_without_an_answer_is_nothing(scene: Scene) -> None:
    for _ in range(10):
        scene.hears = False
        scene.pass_time(DEAF_AFTER / 2)
        scene.hears = True
        scene.pass_time(ASK_EVERY * 2)
    assert scene.done == []


@pytest.mark.parametrize("state", ["STARTING", "STOPPING", "STOPPED", "BACKOFF", "FATAL"])
def test_one_that_does_not_run_is_the_supervisors(scene: Scene, state: str) -> None:
    scene.hears, scene.state = False, state
    scene.pass_time(600)
    assert scene.done == []


def test_nothing_is_started_while_another_operation_is_at_work(scene: Scene) -> None:
    scene.hears = False
    with only_one(scene.home.operation_lock, "deploy"):
        scene.pass_time(DEAF_AFTER * 2)
        assert scene.done == []
    scene.pass_time(DEAF_AFTER * 2)
    assert scene.done[:2] == AGAIN


def test_a_machine_that_slept_accuses_nobody(scene: Scene) -> None:
    scene.hears = False
    scene.now += 3600
    scene.probe.run()
    assert scene.done == []


def test_a_supervisor_that_does_not_answer_ends_no_guard(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Home) -> None:
        raise OpsError("the supervisor does not answer")

    monkeypatch.setattr(supervisor, "states", fails)
    scene.hears = False
    scene.pass_time(600)
    assert scene.done == []


@contextmanager
def listener(said: bytes | None) -> Iterator[str]:
    """Something that listens, and says this, or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as here:

        def speak() -> None:
            one, _ = here.accept()
            with one:
                one.recv(4096)
                one.sendall(said or b"")

        if said is not None:
            threading.Thread(target=speak, daemon=True).start()
        yield f"http://127.0.0.1:{here.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", False),
        (b"what?", False),
        (b"", False),
        (None, False),
    ],
)
def test_an_answer_is_told_from_silence(said: bytes | None, heard: bool) -> None:
    with listener(said) as address:
        assert answers(address, 0.5 if said is None else 5) is heard


def test_nobody_there_is_no_answer() -> None:
    assert not answers("http://127.0.0.1:1/", 1)
    assert dashboard_probe.DASHBOARD == "dashboard"
