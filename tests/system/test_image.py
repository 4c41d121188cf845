"""The image is built and its programs do the work of a deployment, each alone and without rights.

By night, as root: Debian's ``buildah`` and ``debootstrap`` have to be installed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from keepa_deals.deployment.ports import free_port
from keepa_deals.ops import program
from tests.support.images import Buildah, why_not
from tests.support.servers.postgres import PostgresServer, find_programs
from tests.support.servers.redis import RedisServer
from tests.support.servers.sandbox import KEY, SandboxProcess

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(1800)]
IMAGE, HOME, USER = "localhost/keepa-deals", "/var/lib/keepa_deals", 10001
PASSWORD = "Vq7mZt2xLc9wRd4k"
GRACE = 75
"""Seconds that ``compose.yaml`` leaves a program to end."""
PATIENCE = 240.0


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    buildah = Buildah(tmp_path_factory.mktemp("images"))
    buildah.make_base()
    buildah.build(IMAGE)
    return buildah


class Containers:
    """The programs of one deployment, a container each, with stores and a Keepa outside of them."""

    def __init__(self, buildah: Buildah, folder: Path, settings: dict[str, str]) -> None:
        self._buildah = buildah
        self._folder = folder
        self._secrets = folder / "secrets"
        self._secrets.mkdir(mode=0o755)
        self.settings = settings
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.roots: dict[str, Path] = {}

    def secret(self, name: str, value: str) -> None:
        (self._secrets / name.lower()).write_text(value + "\n")
        self.settings[f"{name}_FILE"] = f"/run/secrets/{name.lower()}"

    def make(self, name: str) -> None:
        container = self._buildah("from", "--pull-never", "--name", name, IMAGE)
        home = self._folder / f"home-{name}"
        home.mkdir(mode=0o700)
        os.chown(home, USER, USER)
        self.roots[name] = Path(self._buildah("mount", container))

    def call(self, name: str, *command: str) -> subprocess.Popen[str]:
        mounts = {self._secrets: "/run/secrets:ro", self._folder / f"home-{name}": HOME}
        return self._buildah.start(name, ("keepa-deals", *command), self.settings, mounts)

    def ended(self, name: str, *command: str) -> tuple[int, str]:
        called = self.call(name, *command)
        said, _ = called.communicate(timeout=PATIENCE)
        return called.returncode, said

    def start(self, name: str, program_name: str) -> None:
        self.make(name)
        self.running[name] = self.call(name, "run", program_name)

    def processes(self, name: str) -> list[psutil.Process]:
        """Those of the program itself, its head first."""
        family = psutil.Process(self.running[name].pid).children(recursive=True)
        return [one for one in family if "/opt/keepa_deals/.venv/bin/python" in " ".join(one.cmdline())]

    def stop_all(self) -> None:
        for name, called in self.running.items():
            if called.poll() is None:
                for one in self.processes(name):
                    one.kill()
                called.kill()
            called.communicate(timeout=30)


@pytest.fixture(scope="module")
def containers(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    folder = tmp_path_factory.mktemp("containers")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)  # the image's user reads its secrets and home below
    (folder / "redis").mkdir()
    programs = find_programs()
    assert programs is not None, "PostgreSQL is not installed"
    with ExitStack() as stack:
        redis = RedisServer(folder / "redis", password=PASSWORD)
        postgres = PostgresServer(programs)
        for server in (redis, postgres):
            server.start()
            stack.callback(server.stop)
        options = ("--deals", "300", "--tick-seconds", "1", "--refill-rate", "20", "--tokens", "300")
        sandbox = SandboxProcess(*options)
        stack.callback(sandbox.stop)
        ticking = {"KEEPA_TICK_SECONDS": "1", "UPSERT_INTERVAL_SECONDS": "1"}
        settings = {"KEEPA_API_URL": sandbox.url, "DASHBOARD_PORT": str(free_port()), **ticking}
        containers = Containers(buildah, folder, settings)
        stack.callback(containers.stop_all)
        for name, value in (("KEEPA_API_KEY", KEY), ("REDIS_URL", redis.url), ("DATABASE_URL", postgres.dsn)):
            containers.secret(name, value)
        yield containers


def status(containers: Containers) -> dict[str, Any]:
    url = f"http://127.0.0.1:{containers.settings['DASHBOARD_PORT']}/api/status"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return dict(json.load(answer))


def wait_for_deals(containers: Containers) -> None:
    deadline = time.monotonic() + PATIENCE
    seen: object = "no answer"
    while time.monotonic() < deadline:
        for name, called in containers.running.items():
            assert called.poll() is None, f"{name}: {called.communicate()[0]}"
        try:
            seen = status(containers)
            if seen["deals"]["live"] > 100 and seen["jobs"]["update_recent_deals"]["last_success_at"]:
                return
        except OSError as error:
            seen = error
        time.sleep(0.5)
    raise AssertionError(seen)


def test_each_program_does_its_work_alone_without_rights(containers: Containers) -> None:
    containers.make("migrate")
    code, said = containers.ended("migrate", "run", program.MIGRATE)
    assert code == 0, said
    began = time.time()
    for name in program.NAMES:
        containers.start(name, name)
    containers.start("another-upsert-worker", "upsert-worker")
    wait_for_deals(containers)
    for name in program.NAMES:
        code, said = containers.ended(name, "run", "--check", name)
        assert (code, said) == (0, ""), f"{name}: {said}"
    for name in containers.running:
        family = containers.processes(name)
        assert family, f"{name} has no process"
        assert {user for one in family for user in one.uids()} == {USER}
        assert written_since(began, containers.roots[name]) == []


def written_since(moment: float, root: Path) -> list[str]:
    """The files of a container's own file system that were made or changed, but for ``/tmp`` and the home.

    With chroot nobody holds that file system read-only; that nothing is written there shows that one may.
    """
    found = []
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in ("proc", "sys", "dev", "run", "tmp")]
        if Path(folder) == root / HOME[1:]:
            folders[:] = []
            continue
        found += [f"{folder}/{name}" for name in files if os.lstat(f"{folder}/{name}").st_mtime > moment]
    return [path for path in found if not path.endswith(("/etc/hosts", "/etc/resolv.conf"))]


def test_what_is_missing_is_said_and_ends_the_container(containers: Containers) -> None:
    containers.make("no-key")
    kept = containers.settings.pop("KEEPA_API_KEY_FILE")
    code, said = containers.ended("no-key", "run", "upsert-worker")
    containers.settings["KEEPA_API_KEY_FILE"] = kept
    assert code == 1
    assert "KEEPA_API_KEY" in said
    assert "Traceback" not in said


def test_term_ends_each_program_in_time_and_nothing_secret_was_written(containers: Containers) -> None:
    heads = {name: containers.processes(name)[0] for name in containers.running}
    for head in heads.values():
        head.send_signal(signal.SIGTERM)
    said = {name: called.communicate(timeout=GRACE)[0] for name, called in containers.running.items()}
    assert {name: called.returncode for name, called in containers.running.items()} == dict.fromkeys(heads, 0)
    assert all(secret not in text for text in said.values() for secret in (KEY, PASSWORD))
    assert all("Traceback" not in text for text in said.values()), said
