"""A checkout of one user, called by another one: who may start and stop what, and what others are told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import Checkout
from tests.support.deployment import Service
from tests.support.paths import ROOT

KILL, START = "kill_everything_force.sh", "start_celery.sh"
SYSTEM = "/usr/bin/python3"
THEIRS, NAMELESS = 65534, 54321
"""The user that the service runs as, and one that has no name."""

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where everybody may read; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="keepa-deals-users-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


WITHIN = """
import os, sys
from keepa_deals import cli
from keepa_deals.ops import preflight, start, stop  # while they can surely be read
os.setgroups([]); os.setgid({user}); os.setuid({user})
cli.main()
"""


@pytest.mark.parametrize("command", ["kill", "start"])
def test_a_home_of_another_user_is_named_and_nothing_is_done(folder: Path, command: str) -> None:
    home = folder / "var"
    (home / "run").mkdir(parents=True)
    home.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", WITHIN.format(user=NAMELESS), "ops", command],
        env={"PATH": os.environ["PATH"], "KEEPA_DEALS_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert str(home) in done.stderr
    assert "Traceback" not in done.stderr
    assert list(home.rglob("*")) == [home / "run"]


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


@pytest.mark.slow
@pytest.mark.nightly
def test_a_service_in_a_checkout_of_root_s_is_its_user_s_and_root_s_to_stop(folder: Path) -> None:
    """With the system's Python, which every user may run."""
    if shutil.which(SYSTEM) is None or shutil.which("setpriv") is None:
        pytest.skip(f"needs {SYSTEM} and setpriv")
    checkout = Checkout(folder / "checkout", PYTHON=SYSTEM)
    checkout.environment |= {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    shutil.rmtree(checkout.root / ".venv")
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, THEIRS, THEIRS)
    theirs = Service(home, root=checkout.root)
    try:
        done = checkout.run(START, "--sandbox", seconds=600)  # root's start installs the packages
        if "pip could not install the packages" in done.stderr:
            pytest.skip("the packages of the system's Python cannot be had here")
        assert done.returncode == 0, done.stdout + done.stderr
        checkout.kill()

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
        checkout.run(KILL)
