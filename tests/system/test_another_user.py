"""A checkout of one user, called by another one: who may start and stop what, and what others are told."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import Checkout
from tests.support.deployment import Service

KILL, START = "kill_everything_force.sh", "start_celery.sh"
THEIRS, NAMELESS = 65534, 54321
"""The user that the service runs as, and one that has no name."""

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed"),
]


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    """Root's, where everybody may read; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="keepa-deals-users-") as name:
        Path(name).chmod(0o755)
        yield Checkout(Path(name) / "checkout")


def call(service: Service, user: int, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script, as ``user`` calls it from a folder of nobody's."""
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs")
    done = subprocess.run(
        [*become, str(service.root / script), *arguments],
        env={**service.environment, "HOME": "/nonexistent"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    service.said.append(done.stdout + done.stderr)
    return done


@pytest.mark.parametrize("script", [KILL, START])
def test_a_home_of_another_user_is_named_and_nothing_is_done(checkout: Checkout, script: str) -> None:
    (checkout.home / "run").mkdir(parents=True, exist_ok=True)
    checkout.home.chmod(0o700)
    done = call(checkout, NAMELESS, script)
    assert done.returncode == 1, done.stdout
    assert str(checkout.home) in done.stderr
    assert "Traceback" not in done.stderr
    assert list(checkout.home.rglob("*")) == [checkout.home / "run"]


@pytest.mark.slow
@pytest.mark.nightly
def test_a_service_in_a_checkout_of_root_s_is_its_user_s_and_root_s_to_stop(checkout: Checkout) -> None:
    home = checkout.root.parent / "home"
    home.mkdir(mode=0o700)
    os.chown(home, THEIRS, THEIRS)
    theirs = Service(home, root=checkout.root)
    try:
        done = call(theirs, THEIRS, START, "--sandbox")
        assert done.returncode == 0, done.stdout + done.stderr
        before = {process.pid for process in theirs.processes()}
        assert {process.uids().effective for process in theirs.processes()} == {THEIRS}

        for script in (KILL, START):
            refused = call(theirs, NAMELESS, script)
            assert refused.returncode == 1, refused.stdout
            assert str(home) in refused.stderr
        assert {process.pid for process in theirs.processes()} == before

        assert "stopped: no process" in call(theirs, THEIRS, KILL).stdout
        assert theirs.processes() == []
        assert call(theirs, THEIRS, START, "--sandbox").returncode == 0
        assert "stopped: no process" in theirs.kill()  # root may, too
    finally:
        theirs.run(KILL)
