"""The Python environment that the scripts make, and what they do when it is gone or half of one."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.checkout import Checkout
from tests.support.paths import ROOT


def call(function: str, folder: Path) -> str:
    """What a function of ``environment.sh`` says when it is called in ``folder``."""
    done = try_to_call(function, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def try_to_call(function: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = f"set -euo pipefail; source {ROOT}/keepa_deals/ops/environment.sh; {function}"
    return subprocess.run(["bash", "-c", script], cwd=folder, check=False, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "requirements.txt"):
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
@pytest.mark.nightly
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


def wheel(folder: Path) -> tuple[Path, str]:
    """A package of one empty module, and its sum."""
    file = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return file, hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_package_that_was_tampered_with_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(folder / ".venv", with_pip=False)
    # pip of the tests' environment, for one that is made quickly
    packages = next((folder / ".venv" / "lib").glob("python*/site-packages"))
    (packages / "pip.pth").write_text(sysconfig.get_path("purelib"))
    _, good = wheel(tmp_path)
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
        "PIP_NO_CACHE_DIR": "1",
    }.items():
        monkeypatch.setenv(name, value)
    listed = folder / "list.txt"
    listed.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    done = try_to_call(f"run_pip --require-hashes -r {listed}", folder)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    listed.write_text("tiny==1.0\n")
    done = try_to_call(f"run_pip --require-hashes -r {listed}", folder)
    assert done.returncode == 1
    assert "Hashes are required" in done.stderr
    assert not (packages / "tiny.py").exists()
    listed.write_text(f"tiny==1.0 --hash=sha256:{good}\n")
    assert try_to_call(f"run_pip --require-hashes -r {listed}", folder).returncode == 0
    assert (packages / "tiny.py").exists()
