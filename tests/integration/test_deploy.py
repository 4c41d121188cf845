"""``deploy_update.sh`` in a clone of this repository: a version that works, and two that don't."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import threading
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.service import ROOT, Service

pytestmark = pytest.mark.slow

TASKS = "keepa_deals/simple_task.py"


class Clone:
    """A checkout with an environment of its own, made of the packages that the tests run with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        self.git("config", "user.name", "test")
        self.git("config", "user.email", "test@localhost")
        self._make_environment()
        self.service = Service(folder / "var")
        self.service.environment["KEEPA_DEALS_HOME"] = str(folder / "var")

    def _make_environment(self) -> None:
        here = self.folder / ".venv"
        venv.create(here, with_pip=False)
        packages = next((here / "lib").glob("python*/site-packages"))
        (packages / "clone.pth").write_text(f"{self.folder}\n{sysconfig.get_path('purelib')}\n")
        for script in Path(sys.executable).parent.iterdir():
            if script.is_file() and not script.is_symlink() and script.read_bytes()[:2] == b"#!":
                _, _, rest = script.read_text().partition("\n")
                copy = here / "bin" / script.name
                copy.write_text(f"#!{here}/bin/python\n{rest}")
                copy.chmod(0o755)
        files = ("pyproject.toml", "constraints.txt", ".venv/pyvenv.cfg")
        joined = b"".join((self.folder / file).read_bytes() for file in files)
        stamp = subprocess.run(["sha256sum"], input=joined, capture_output=True, check=True).stdout
        (here / ".installed").write_bytes(stamp)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def commit(self, line: str) -> str:
        """A new version: one more line in the module of the upserter's tasks."""
        with (self.folder / TASKS).open("a") as file:
            file.write(f"{line}\n")
        self.git("commit", "--quiet", "--all", "--message", "another version")
        return self.head()

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / script), *arguments],
            env=self.service.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def log(self) -> list[str]:
        return (self.folder / "var" / "log" / "deploy.log").read_text().splitlines()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout made with it")
    clone = Clone(tmp_path_factory.mktemp("deploy") / "clone")
    try:
        done = clone.run("start_celery.sh", "--sandbox")
        assert done.returncode == 0, done.stdout + done.stderr
        yield clone
    finally:
        done = clone.run("kill_everything_force.sh")
        assert done.returncode == 0, done.stdout + done.stderr


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


def test_a_good_version_comes_into_service_without_a_dropped_request(clone: Clone) -> None:
    new = clone.commit("# another version")
    assert "would deploy" in clone.run("deploy_update.sh", "--dry-run").stdout
    with asked_all_the_time(f"{clone.service.address}/api/deals?limit=1") as failures:
        done = clone.run("deploy_update.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    for step, name in enumerate(("Permissions", "Stop", "Start", "Reload", "Backfill"), start=1):
        assert f"{step}/5 {name}" in done.stdout
    assert f"in service: {new[:10]}" in done.stdout
    assert clone.log()[-1].split(": ", 1)[1].startswith("succeeded")
    assert failures == []


def test_a_version_that_cannot_work_goes_back(clone: Clone) -> None:
    good = clone.head()
    clone.commit('raise RuntimeError("this version cannot work")')
    before = clone.service.status()["deals"]["live"]
    done = clone.run("deploy_update.sh")
    assert done.returncode != 0
    assert f"{good[:10]} is back in service" in done.stderr
    assert "worker_down" in done.stdout + done.stderr, "the diagnosis is printed"
    assert clone.head() == good
    assert clone.log()[-1].endswith("the previous version is back")
    assert clone.service.status()["deals"]["live"] >= before


def test_a_version_that_cannot_be_loaded_stops_nothing(clone: Clone) -> None:
    good = clone.head()
    pids = {name: clone.service.pid(name) for name in ("worker-upsert", "worker-backfill", "celerybeat")}
    clone.commit("def broken(:")
    done = clone.run("deploy_update.sh")
    assert done.returncode != 0
    assert "SyntaxError" in done.stderr
    assert "nothing was stopped" in done.stderr
    assert clone.head() == good
    assert {name: clone.service.pid(name) for name in pids} == pids
