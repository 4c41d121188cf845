"""What a run leaves for the night, and that it says so, in one process and in several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployment import ROOT

SUITE = """
import pytest
from tests.support.nightly import amount

ROUNDS = amount(2, at_night=5)

def test_short():
    print(f"rounds: {ROUNDS}")

@pytest.mark.nightly
def test_long():
    pass
"""
HOOKS = """
from tests.support import nightly
from tests.support.nightly import configure as pytest_configure
from tests.support.nightly import pytest_addoption, pytest_terminal_summary, pytest_testnodedown

def pytest_collection_modifyitems(config, items):
    nightly.leave_for_the_night(config, items)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(HOOKS)
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\nmarkers = nightly: long\n")
    return tmp_path


def run(suite: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-rP", "-p", "no:cacheprovider", "-p", "xdist", *options]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_says_how_many_tests_it_leaves_for_the_night(suite: Path, processes: str) -> None:
    said = run(suite, "-n", processes)
    assert "1 test runs only at night: make nightly, or --nightly" in said
    assert "1 passed" in said
    assert "rounds: 2" in said


def test_at_night_everything_runs_and_longer(suite: Path) -> None:
    said = run(suite, "--nightly")
    assert "at night:" not in said
    assert "2 passed" in said
    assert "rounds: 5" in said
