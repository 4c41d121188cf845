"""Settings that cannot be used: said before anything starts, and in nobody's way who stops or looks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import env_files
from tests.support.checkout import Checkout
from tests.support.env_files import REFUSED, SECRET
from tests.support.secrets import shown


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("wrong") / "checkout")
    del checkout.environment["KEEPA_DEALS_HOME"]
    return checkout


def look(checkout: Checkout, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=checkout.root, env=checkout.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["latin-1", *(pytest.param(kind, marks=pytest.mark.nightly) for kind in REFUSED)]
)
def test_the_scripts_say_in_a_line_what_is_wrong_with_the_file(checkout: Checkout, kind: str) -> None:
    encode, said = REFUSED[kind]
    (checkout.root / ".env").write_bytes(encode(env_files.text(checkout.home)))
    start, kill = checkout.run("start_celery.sh", "--sandbox"), checkout.run("kill_everything_force.sh")
    assert start.returncode == 1
    told = start.stderr.splitlines()[-1]
    assert told.startswith(f"keepa-deals: {checkout.root}/.env: ")
    assert said[:20] in told
    assert (kill.returncode, kill.stderr) == (0, "")
    assert "nothing was ever started" in kill.stdout
    assert shown(start.stdout + start.stderr + kill.stdout, SECRET, length=4) == set()


@pytest.mark.nightly
@pytest.mark.parametrize("encode", [REFUSED["utf-16"][0], REFUSED["latin-1"][0]], ids=["utf-16", "latin-1"])
def test_what_runs_is_seen_healed_and_stopped_with_a_file_that_nobody_can_read(
    tmp_path: Path, encode: Callable[[str], bytes]
) -> None:
    checkout = Checkout(tmp_path / "checkout")
    try:
        checkout.start()
        (checkout.root / ".env").write_bytes(encode(env_files.text(checkout.home)))
        status = look(checkout, "-m", "keepa_deals", "status")
        assert status.returncode == 1
        assert "succeeded" in status.stdout
        assert "settings_wrong" in status.stdout
        diagnosis = look(checkout, "Diagnostics/diagnose_dwindling_deals.py", "--json")
        assert diagnosis.returncode == 1
        assert "settings_wrong" in diagnosis.stdout
        beat = checkout.pid("celerybeat")
        os.kill(beat, signal.SIGKILL)
        checkout.wait_for_success()
        checkout.wait_for(lambda status: checkout.pid("celerybeat") != beat)
        for done in (status, diagnosis):
            assert shown(done.stdout + done.stderr, SECRET, length=4) == set()
            assert "Traceback" not in done.stdout + done.stderr
    finally:
        said = checkout.kill()
    assert "stopped: no process, pid file or lock of this deployment is left" in said
