"""A run tells what it took of the processors, in one process and in several."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

HOOKS = """
from tests.support.processor_time import ProcessorTime

def pytest_configure(config):
    config.pluginmanager.register(ProcessorTime())
"""
BUSY = """
import subprocess, sys, time

SPIN = "import time\\nwhile time.process_time() < 1.5: pass"

def test_by_itself():
    exec(SPIN)

def test_by_a_child():
    subprocess.run([sys.executable, "-c", SPIN], check=True)
"""


@pytest.mark.parametrize("processes", ["2", pytest.param("0", marks=pytest.mark.nightly)])
def test_a_run_says_what_its_processes_and_their_children_took(tmp_path: Path, processes: str) -> None:
    (tmp_path / "conftest.py").write_text(HOOKS)
    (tmp_path / "test_busy.py").write_text(BUSY)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist", "-n", processes]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.search(r"^(\d+) s of processor", done.stdout, re.MULTILINE)
    assert told, done.stdout
    assert int(told[1]) >= 3
