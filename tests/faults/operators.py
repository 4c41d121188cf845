"""Faults that operators make or meet: pid files that lie, scripts at the same time, versions that fail."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tests.faults import invariants
from tests.faults.injection import Fault, family_of, full_disk, kill_all, slow_keepa, wait_for_holder
from tests.support.checkout import Checkout
from tests.support.deployment import Service

BUSY = 3


# -- pid files -----------------------------------------------------------------------------------
def lying_pid_file(names: str) -> Fault:
    """All is dead, and ``celerybeat.pid`` names nobody ("gone"), a live stranger ("ours": our user's,
    "another's": the machine's first process)."""

    @contextmanager
    def fault(service: Service) -> Iterator[None]:
        with _named(names) as pid:
            kill_all(service)
            service.layout.beat_pid.write_text(f"{pid}\n")
            yield
            said = service.start()
            assert "removed a stale celerybeat.pid" in said
            assert names == "gone" or psutil.pid_exists(pid)
            assert service.pid("celerybeat") != pid

    return fault


@contextmanager
def _named(names: str) -> Iterator[int]:
    if names == "another's":
        yield 1
        return
    with subprocess.Popen(["sleep", "1000000"]) as sleeper:
        try:
            if names == "gone":
                sleeper.kill()
                sleeper.wait()
            yield sleeper.pid
        finally:
            sleeper.kill()


# -- a worker that comes back from the dead --------------------------------------------------------
@contextmanager
def paused_past_its_lock(service: Service) -> Iterator[None]:
    """SIGSTOP of a worker in the middle of a run while a second worker stands by; SIGCONT heals.

    What the paused run writes when it goes on must be refused.
    """
    began = datetime.now(UTC)
    with contextlib.ExitStack() as paused:
        with slow_keepa(service):
            for process in _paused_outside_of_a_write(service):
                paused.callback(_resume, process)
        with _second_worker(service):
            yield
            paused.close()
            deadline = time.monotonic() + 60
            while not invariants.lost_locks(service, began):
                assert time.monotonic() < deadline, "the paused run was not refused"
                time.sleep(0.1)


def _paused_outside_of_a_write(service: Service) -> list[psutil.Process]:
    """The worker whose run has begun and, stopped, holds not SQLite's lock as well: that one nobody else
    could take before it goes on or is killed. One stopped before its run began has nothing to be refused."""
    while True:
        holder, family = wait_for_holder(service), family_of(service, "worker-upsert")
        for process in family:
            process.suspend()
        is_ours = holder in [p.pid for p in family]
        if is_ours and invariants.can_be_written(service) and invariants.is_under_way(service):
            return family
        for process in family:
            process.resume()
        time.sleep(0.05)


def _resume(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()


@contextmanager
def _second_worker(service: Service) -> Iterator[None]:
    """Another worker on the upserter's queue, as on a second machine."""
    head = psutil.Process(service.pid("worker-upsert"))
    command = ["standby@%h" if part.startswith("upsert@") else part for part in head.cmdline()]
    with (service.layout.log / "standby.log").open("ab") as log:
        worker = psutil.Popen(command, env=head.environ(), cwd=head.cwd(), stdout=log, stderr=log)
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(timeout=30)
        except psutil.TimeoutExpired:
            worker.kill()
            worker.wait()


# -- scripts at the same time ----------------------------------------------------------------------
@contextmanager
def two_starts(service: Service) -> Iterator[None]:
    """All is dead, and two people start at once: one wins, the other says so or finds it running."""
    kill_all(service)
    yield
    _both(service, "start_celery.sh", "--sandbox")


@contextmanager
def two_deploys(checkout: Service) -> Iterator[None]:
    """Two people deploy at once."""
    yield
    _both(checkout, "deploy_update.sh")


def _both(service: Service, script: str, *arguments: str) -> None:
    both = [service.popen(script, *arguments) for _ in range(2)]
    said = [process.communicate(timeout=240)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, BUSY], [0, 0]), said
    if codes == [0, BUSY]:
        assert any("another operation is at work here" in text for text in said), said


@contextmanager
def another_deployment(service: Service) -> Iterator[None]:
    """A second deployment on this host is started and killed; ours doesn't notice."""
    ours = {process.pid for process in service.processes()}
    with tempfile.TemporaryDirectory(prefix="keepa-deals-other-") as folder:
        other = Service(Path(folder) / "home", root=service.root)
        other.start()
        assert not ours & {process.pid for process in other.processes()}
        yield
        kill_all(other)
        other.kill()
    assert ours <= {process.pid for process in service.processes()}, "the other's kill has harmed us"


@contextmanager
def copied_checkout(service: Service) -> Iterator[None]:
    """A copy of the checkout and its home, made while it runs, is killed, started and killed; ours doesn't
    notice."""
    before = {process.pid for process in service.processes()}
    with tempfile.TemporaryDirectory(prefix="keepa-deals-copy-") as folder:
        root = Path(folder) / "copy"
        shutil.copytree(service.root, root, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
        copy = Service(root / "var", root=root, PIP_NO_INDEX="1")
        said = copy.run("kill_everything_force.sh").stdout
        assert "nothing of this deployment was running" in said, said
        assert before <= {process.pid for process in service.processes()}, "the copy's kill has harmed us"
        copy.start()
        yield
        copy.kill()
    assert before <= {process.pid for process in service.processes()}, "the copy has harmed us"


@contextmanager
def kill_on_a_full_disk(service: Service) -> Iterator[None]:
    """``kill_everything_force.sh`` where not a byte can be written; heals by room, and a start."""
    with full_disk(service):
        service.kill()
    yield
    service.start()


# -- deploys -------------------------------------------------------------------------------------
def _checkout(service: Service) -> Checkout:
    assert isinstance(service, Checkout), "this fault needs a checkout of its own"
    return service


@contextmanager
def failing_deploy(service: Service) -> Iterator[None]:
    """A version that can't do its work is deployed; the one before comes back."""
    checkout = _checkout(service)
    good = checkout.head()
    checkout.commit('raise RuntimeError("this version cannot work")')
    done = checkout.run("deploy_update.sh")
    assert done.returncode != 0
    assert checkout.head() == good, done.stdout + done.stderr
    yield


@contextmanager
def killed_deploy(service: Service) -> Iterator[None]:
    """kill -9 of a deploy that has stopped the workers; nobody starts them but the service itself."""
    with _stopped_in_the_middle(service) as deploy:
        deploy.send_signal(signal.SIGKILL)
        deploy.communicate(timeout=30)
        yield


@contextmanager
def kill_during_deploy(service: Service) -> Iterator[None]:
    """``kill_everything_force.sh`` while a deploy is at work has the last word; heals by a start."""
    with _stopped_in_the_middle(service) as deploy:
        service.kill()
        deploy.communicate(timeout=30)
        assert service.processes() == []
        yield
        service.start()


@contextmanager
def _stopped_in_the_middle(service: Service) -> Iterator[subprocess.Popen[str]]:
    """A deploy that has stopped the pipeline and has not started it again."""
    deploy = service.popen("deploy_update.sh")
    assert deploy.stdout is not None
    try:
        said = ""
        while "2/5 Stop" not in said:
            line = deploy.stdout.readline()
            assert line, said
            said += line
        worker = service.layout.run / "worker-upsert.pid"
        deadline = time.monotonic() + 60
        while worker.exists():
            assert time.monotonic() < deadline, "the deploy does not stop the worker"
            time.sleep(0.01)
        yield deploy
    finally:
        if deploy.poll() is None:
            deploy.kill()
            deploy.communicate()
