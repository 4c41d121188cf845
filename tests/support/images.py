"""Container images without a daemon: Debian's ``buildah``, a storage of its own, a base of our making."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.paths import ROOT

TOOLS = ("buildah", "debootstrap", "git", "tar")
BASE = "localhost/base"
DEBIAN = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
SOURCES = ("index-url", "extra-index-url", "find-links", "cert")
"""Settings of pip that say where packages come from, and whom to trust; a build has to have them as well."""
PATIENCE = 900


def why_not() -> str | None:
    """Why no image can be built here; ``None`` when one can."""
    if os.geteuid() != 0:
        return "only root can build images with chroot"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    return f"not installed: {', '.join(missing)}" if missing else None


class Buildah:
    """One storage in ``folder``, which goes with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._command = (
            *("buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run")),
            *("--storage-driver", "vfs"),
        )

    def __call__(self, *arguments: str) -> str:
        """The last line that it wrote; fails the test with all of it."""
        command = [*self._command, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return (done.stdout.strip().splitlines() or [""])[-1]

    def make_base(self) -> None:
        """A small Debian with Python, from Debian's own packages."""
        system, archive = self._folder / "system", self._folder / "system.tar"
        debootstrap = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, str(system))
        environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        done = subprocess.run(
            debootstrap, check=False, capture_output=True, text=True, env=environment, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        subprocess.run(["tar", "-C", str(system), "-cf", str(archive), "."], check=True)
        shutil.rmtree(system)
        container = self("from", "scratch")
        self("add", "--quiet", container, str(archive), "/")
        self("commit", "--quiet", "--rm", container, BASE)
        archive.unlink()

    def build(self, tag: str) -> None:
        """The image of ``Containerfile``, of the version that git has."""
        context = self._folder / "context"
        context.mkdir()
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], check=True, capture_output=True)
        subprocess.run(["tar", "-C", str(context), "-x"], input=archive.stdout, check=True)
        mounts = [flag for mount in self._pip() for flag in ("--volume", mount)]
        self(
            *("build", "--isolation", "chroot", "--pull-never", "--build-arg", f"BASE={BASE}"),
            *(*mounts, "--tag", tag, "--file", str(context / "Containerfile"), str(context)),
        )

    def _pip(self) -> Iterator[str]:
        """Mounts by which pip in the build finds packages where it finds them here."""
        listed = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
        ).stdout
        places: dict[str, dict[str, None]] = {}
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if (option := name.rpartition(".")[2]) in SOURCES:
                places.setdefault(option, {}).update(dict.fromkeys(value.strip("'").split()))
        settings = self._folder / "pip.conf"
        settings.write_text(
            "[global]\n" + "".join(f"{name} = {' '.join(found)}\n" for name, found in places.items())
        )
        yield f"{settings}:/etc/pip.conf:ro"
        named = {Path(place.removeprefix("file://")) for found in places.values() for place in found}
        for path in {path.parent if path.name == "simple" else path for path in named}:
            if path.is_absolute() and path.exists():  # an index has its files beside its pages
                yield f"{path}:{path}:ro"

    def start(
        self,
        container: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        mounts: Mapping[Path, str],
    ) -> subprocess.Popen[str]:
        """A command in a container, as the image's user; what it writes is in ``stdout``."""
        flags = [flag for name, value in environment.items() for flag in ("--env", f"{name}={value}")]
        for source, target in mounts.items():
            flags += ["--volume", f"{source}:{target}"]
        return subprocess.Popen(
            [*self._command, "run", "--isolation", "chroot", *flags, container, "--", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
