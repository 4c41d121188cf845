"""The home, as it is found on a real disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from keepa_deals.diagnosis.evidence.home import exposed, read_home


def test_a_home_in_order_has_nothing_wrong(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    tmp_path.chmod(0o700)
    state = read_home(tmp_path)
    assert (state.exists, state.readable, state.mode) == (True, True, 0o700)
    assert (state.read_only, state.misowned) == ((), ())


def test_a_home_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert not read_home(tmp_path / "nowhere").exists


def test_a_file_that_its_owner_may_not_write_is_named(tmp_path: Path) -> None:
    (tmp_path / "deals.db").touch(mode=0o400)
    assert read_home(tmp_path).read_only == (str(tmp_path / "deals.db"),)


def test_a_file_of_somebody_else_is_named(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    (tmp_path / "log").mkdir()
    os.chown(tmp_path / "log", 65534, -1)
    assert read_home(tmp_path).misowned == (str(tmp_path / "log"),)


def test_a_settings_file_that_others_may_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert exposed(file, os.geteuid()) == ()
    file.touch(mode=0o600)
    assert exposed(file, os.geteuid()) == ()
    file.chmod(0o640)
    assert exposed(file, os.geteuid()) == (file,)
    assert exposed(file, os.geteuid() + 1) == ()  # lent to the service's group by another user
    file.chmod(0o604)
    assert exposed(file, os.geteuid() + 1) == (file,)


def test_a_home_of_another_user_is_closed_and_no_error() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can look as another user")
    look = "from keepa_deals.diagnosis.evidence import home; import os, sys, pathlib, pwd; os.setuid(65534);"
    look += "print(home.read_home(pathlib.Path(sys.argv[1])).readable)"
    with tempfile.TemporaryDirectory() as home:  # 0700, in a folder that all may enter
        (Path(home) / "run").mkdir()
        done = subprocess.run([sys.executable, "-c", look, home], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
