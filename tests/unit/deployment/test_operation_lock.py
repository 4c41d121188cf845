"""One operation at a time on a deployment, and what is left of one that died."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepa_deals.deployment.errors import BusyError, HalfWayError, OpsError
from keepa_deals.deployment.operation_lock import abandoned, holder, only_one


def test_the_second_is_told_who_is_at_work(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with only_one(path, "deploy"):
        found = holder(path)
        assert found is not None
        assert (found.what, found.process.pid) == ("deploy", os.getpid())
        with pytest.raises(BusyError, match=rf"deploy \(pid {os.getpid()}\)"), only_one(path, "start"):
            pass
        assert abandoned(path) is None
    assert holder(path) is None


@contextmanager
def _held_for_a_moment(path: Path, what: str) -> Iterator[None]:
    """Somebody else's operation, which ends a third of a second after the block has begun."""
    taken, over = threading.Event(), threading.Event()

    def work() -> None:
        with only_one(path, what):
            taken.set()
            over.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    assert taken.wait(20)
    timer = threading.Timer(0.3, over.set)
    timer.start()
    try:
        yield
    finally:
        thread.join()


def test_the_guard_is_let_finish(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with _held_for_a_moment(path, "guard"), only_one(path, "start", wait_for_watchdog=20.0):
        found = holder(path)
        assert found is not None
        assert found.what == "start"


def test_nobody_else_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        _held_for_a_moment(path, "deploy"),
        pytest.raises(BusyError, match="deploy"),
        only_one(path, "start", wait_for_watchdog=20.0),
    ):
        pass


def test_who_waits_for_anybody_waits_for_the_guard_as_long(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with _held_for_a_moment(path, "guard"), only_one(path, "kill", wait=20.0):
        found = holder(path)
        assert found is not None
        assert found.what == "kill"


def test_a_guard_that_does_not_finish_is_named_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        only_one(path, "guard"),
        pytest.raises(BusyError, match="guard"),
        only_one(path, "start", wait_for_watchdog=0.2),
    ):
        pass


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux")
def test_a_holder_that_could_not_sign_is_found_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with only_one(path, "start"):
        path.write_bytes(b"")  # as on a full disk
        found = holder(path)
        assert found is not None
        assert found.process.pid == os.getpid()
    assert holder(path) is None


def test_what_a_dead_one_left_stays_until_somebody_heals_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text('{"what": "deploy", "pid": 4194304, "started": 1.0}')
    for what in ("guard", "start"):
        with pytest.raises(OpsError), only_one(path, what):
            _fails()
        assert abandoned(path) == "deploy"
    with only_one(path, "guard"):
        pass
    assert abandoned(path) is None


def _fails() -> None:
    raise OpsError("a check failed")


def _fails_half_way() -> None:
    raise HalfWayError("and the way back failed")


def _is_interrupted() -> None:
    raise KeyboardInterrupt


def _is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (lambda: None, None),
        (_fails, None),
        (_fails_half_way, "deploy"),
        (_is_interrupted, "deploy"),
        (_is_killed, "deploy"),
    ],
    ids=["ended", "failed", "failed half-way", "interrupted", "killed"],
)
def test_only_one_that_died_half_way_is_abandoned(
    tmp_path: Path, end: Callable[[], None], left: str | None
) -> None:
    path = tmp_path / "lock"

    def operate() -> None:
        with only_one(path, "deploy"):
            end()

    child = multiprocessing.get_context("fork").Process(target=operate)
    child.start()
    child.join()
    assert abandoned(path) == left
    with only_one(path, "start"):
        pass
    assert abandoned(path) is None
