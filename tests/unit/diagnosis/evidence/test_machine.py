"""The home, SQLite's lock and file, as they are found on a real disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keepa_deals.diagnosis.evidence import machine


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "deals.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", [(str(n) * 50,) for n in range(2000)])
    return path


def test_a_home_in_order_has_nothing_wrong(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    tmp_path.chmod(0o700)
    found = machine.read_home(tmp_path)
    assert (found.exists, found.readable, found.mode) == (True, True, 0o700)
    assert (found.read_only, found.misowned) == ((), ())


def test_a_home_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert not machine.read_home(tmp_path / "nowhere").exists


def test_a_file_that_its_owner_may_not_write_is_named(tmp_path: Path) -> None:
    (tmp_path / "deals.db").touch(mode=0o400)
    assert machine.read_home(tmp_path).read_only == (str(tmp_path / "deals.db"),)


def test_a_file_of_somebody_else_is_named(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    (tmp_path / "log").mkdir()
    os.chown(tmp_path / "log", 65534, -1)
    assert machine.read_home(tmp_path).misowned == (str(tmp_path / "log"),)


def test_a_settings_file_that_others_may_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert machine.exposed(file, os.geteuid()) == ()
    file.touch(mode=0o600)
    assert machine.exposed(file, os.geteuid()) == ()
    file.chmod(0o640)
    assert machine.exposed(file, os.geteuid()) == (file,)
    assert machine.exposed(file, os.geteuid() + 1) == ()  # lent to the service's group by another user
    file.chmod(0o604)
    assert machine.exposed(file, os.geteuid() + 1) == (file,)


def test_a_home_of_another_user_is_closed_and_no_error() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can look as another user")
    look = "from keepa_deals.diagnosis import machine; import os, sys, pathlib, pwd; os.setuid(65534);"
    look += "print(machine.read_home(pathlib.Path(sys.argv[1])).readable)"
    with tempfile.TemporaryDirectory() as home:  # 0700, in a folder that all may enter
        (Path(home) / "run").mkdir()
        done = subprocess.run([sys.executable, "-c", look, home], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_a_whole_database_is_ok_and_can_be_written(database: Path) -> None:
    assert machine.check_integrity(database) == "ok"
    machine.try_to_write(database)


def found_by(check: Callable[[Path], str], path: Path) -> str:
    """What a check says, or the words of the error that it raises."""
    try:
        return check(path)
    except sqlite3.DatabaseError as error:
        return str(error)


def test_a_damaged_database_is_found(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 2)
        file.write(b"\xff" * 8192)
    assert found_by(machine.check_integrity, database) != "ok"


def test_a_check_that_lasts_too_long_is_cut_short(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "INTEGRITY_SECONDS", -1)
    monkeypatch.setattr(machine, "_STEPS", 1)
    assert machine.check_integrity(database).startswith("ok as far as")


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    machine.try_to_write(None)
    machine.try_to_write(tmp_path / "deals.db")
    assert machine.check_integrity(None) == "left to PostgreSQL's own checksums"
    assert machine.check_integrity(tmp_path / "deals.db") == "no file yet"
    assert machine.lock_holders(None) == ()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def holder(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the database's write lock."""
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
    hold += "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", hold, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.communicate()


def test_who_holds_the_write_lock_is_known(database: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        machine.try_to_write(database)
    if Path("/proc/locks").exists():
        (found,) = machine.lock_holders(database)
        assert found.pid == holder.pid
        assert "BEGIN IMMEDIATE" in found.command


def test_a_system_that_tells_no_locks_is_no_error(database: Path, tmp_path: Path) -> None:
    assert machine.lock_holders(database, tmp_path / "none") == ()
