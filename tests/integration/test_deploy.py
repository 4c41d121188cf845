"""``deploy_update.sh`` in a clone of this repository: a version that works, and two that don't."""

from __future__ import annotations

import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.checkout import Checkout
from tests.support.service import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout made with it")
    clone = Checkout(tmp_path_factory.mktemp("deploy") / "clone")
    try:
        clone.start()
        yield clone
    finally:
        clone.kill()


@contextmanager
def asked_all_the_time(address: str) -> Iterator[list[str]]:
    """Ask the dashboard without a pause; the list gets what did not work."""
    failures: list[str] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            try:
                urllib.request.urlopen(address, timeout=20).read()
            except (OSError, urllib.error.URLError) as error:
                failures.append(repr(error))

    reader = threading.Thread(target=ask)
    reader.start()
    try:
        yield failures
    finally:
        enough.set()
        reader.join()


def test_a_good_version_comes_into_service_without_a_dropped_request(clone: Checkout) -> None:
    new = clone.commit("# another version")
    assert "would deploy" in clone.run("deploy_update.sh", "--dry-run").stdout
    with asked_all_the_time(f"{clone.address}/api/deals?limit=1") as failures:
        done = clone.run("deploy_update.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    for step, name in enumerate(("Permissions", "Stop", "Start", "Reload", "Backfill"), start=1):
        assert f"{step}/5 {name}" in done.stdout
    assert f"in service: {new[:10]}" in done.stdout
    assert clone.deployments()[-1].split(": ", 1)[1].startswith("succeeded")
    assert failures == []


def test_a_version_that_cannot_work_goes_back(clone: Checkout) -> None:
    good = clone.head()
    clone.commit('raise RuntimeError("this version cannot work")')
    before = clone.status()["deals"]["live"]
    done = clone.run("deploy_update.sh")
    assert done.returncode != 0
    assert f"{good[:10]} is back in service" in done.stderr
    assert "that did not work: worker-" in done.stdout
    assert "RuntimeError: this version cannot work" in done.stdout
    assert "upserter_behind" in done.stdout or "worker_down" in done.stdout, "the diagnosis is printed"
    assert clone.head() == good
    assert clone.deployments()[-1].endswith("the previous version is back")
    assert clone.status()["deals"]["live"] >= before


def test_a_version_that_cannot_be_loaded_stops_nothing(clone: Checkout) -> None:
    good = clone.head()
    pids = {name: clone.pid(name) for name in ("worker-upsert", "worker-backfill", "celerybeat")}
    clone.commit("def broken(:")
    done = clone.run("deploy_update.sh")
    assert done.returncode != 0
    assert "SyntaxError" in done.stderr
    assert "nothing was stopped" in done.stderr
    assert clone.head() == good
    assert {name: clone.pid(name) for name in pids} == pids
