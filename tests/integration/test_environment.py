"""The Python environment that the scripts make, and what they do when it is gone or half of one."""

from __future__ import annotations

import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from tests.support.checkout import Checkout
from tests.support.service import ROOT


def call(function: str, folder: Path) -> str:
    """What a function of ``environment.sh`` says when it is called in ``folder``."""
    script = f"set -euo pipefail; source {ROOT}/keepa_deals/ops/environment.sh; {function}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    return tmp_path


def test_an_environment_without_pip_is_made_anew(folder: Path) -> None:
    venv.create(folder / ".venv", with_pip=False)
    assert "making .venv" in call("make_venv", folder)
    pip = [folder / ".venv" / "bin" / "python", "-m", "pip", "--version"]
    subprocess.run(pip, check=True, capture_output=True)
    assert call("make_venv", folder) == ""


def test_another_minor_version_of_python_wants_its_packages_anew(folder: Path) -> None:
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (folder / ".venv" / "pyvenv.cfg").touch()
    sums = []
    for tag in ("cpython-311", "cpython-313", "cpython-313"):
        python.write_text(f"#!/bin/sh\necho {tag}\n")
        python.chmod(0o755)
        sums.append(call("wanted_packages", folder))
    assert sums[0] != sums[1] == sums[2]


def test_a_kill_where_nothing_was_started_needs_no_environment(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout")
    shutil.rmtree(checkout.root / ".venv")
    assert "nothing was ever started" in checkout.kill()
    assert not (checkout.root / ".venv").exists()


@pytest.mark.slow
def test_a_kill_without_packages_does_not_take_what_runs_for_nothing(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout", PIP_NO_INDEX="1")
    there, elsewhere = checkout.root / ".venv", tmp_path / "elsewhere"
    try:
        checkout.start()
        there.rename(elsewhere)
        done = checkout.run("kill_everything_force.sh")
        assert done.returncode == 1
        assert "nothing was stopped" in done.stderr
        assert checkout.processes()
    finally:
        bring_back(elsewhere, there)
        assert "stopped: no process" in checkout.kill()


def bring_back(elsewhere: Path, there: Path) -> None:
    if elsewhere.exists():
        if there.exists():
            shutil.rmtree(there)
        elsewhere.rename(there)
