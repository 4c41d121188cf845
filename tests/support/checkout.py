"""A clone of this repository with an environment and a deployment of its own, to deploy versions in."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.support.deployment import Service
from tests.support.paths import ROOT

TASKS = "keepa_deals/simple_task.py"


class Checkout(Service):
    """A deployment whose scripts and code are a clone's, made of the packages that the tests run with."""

    def __init__(self, folder: Path, **settings: str) -> None:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        super().__init__(folder / "var", root=folder, **settings)
        self.git("config", "user.name", "test")
        self.git("config", "user.email", "test@localhost")
        self._make_environment()

    def _make_environment(self) -> None:
        here = self.root / ".venv"
        venv.create(here, with_pip=False)
        packages = next((here / "lib").glob("python*/site-packages"))
        (packages / "clone.pth").write_text(f"{self.root}\n{sysconfig.get_path('purelib')}\n")
        for script in Path(sys.executable).parent.iterdir():
            if script.is_file() and not script.is_symlink() and script.read_bytes()[:2] == b"#!":
                _, _, rest = script.read_text().partition("\n")
                copy = here / "bin" / script.name
                copy.write_text(f"#!{here}/bin/python\n{rest}")
                copy.chmod(0o755)
        sum_up = ["bash", "-c", "source keepa_deals/ops/environment.sh; wanted_packages"]
        stamp = subprocess.run(sum_up, cwd=self.root, capture_output=True, check=True).stdout
        (here / ".installed").write_bytes(stamp)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def commit(self, line: str, file: str = TASKS) -> str:
        """A new version: one more line in a file, by default in the module of the upserter's tasks."""
        with (self.root / file).open("a") as text:
            text.write(f"{line}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "another version")
        return self.head()

    def deployments(self) -> list[str]:
        """The lines of ``log/deploy.log``."""
        return (self.home / "log" / "deploy.log").read_text().splitlines()
