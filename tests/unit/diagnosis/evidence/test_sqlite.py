"""SQLite's lock and file, as they are found on a real disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keepa_deals.diagnosis.evidence import sqlite


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "deals.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", [(str(n) * 50,) for n in range(2000)])
    return path


def test_a_whole_database_is_ok_and_can_be_written(database: Path) -> None:
    assert sqlite.check_integrity(database) == "ok"
    sqlite.try_to_write(database)


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
    assert found_by(sqlite.check_integrity, database) != "ok"


def test_a_check_that_lasts_too_long_is_cut_short(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "INTEGRITY_SECONDS", -1)
    monkeypatch.setattr(sqlite, "_STEPS", 1)
    assert sqlite.check_integrity(database).startswith("ok as far as")


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    sqlite.try_to_write(None)
    sqlite.try_to_write(tmp_path / "deals.db")
    assert sqlite.check_integrity(None) == "left to PostgreSQL's own checksums"
    assert sqlite.check_integrity(tmp_path / "deals.db") == "no file yet"
    assert sqlite.lock_holders(None) == ()
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
        sqlite.try_to_write(database)
    if Path("/proc/locks").exists():
        (found,) = sqlite.lock_holders(database)
        assert found.pid == holder.pid
        assert "BEGIN IMMEDIATE" in found.command


def test_a_system_that_tells_no_locks_is_no_error(database: Path, tmp_path: Path) -> None:
    assert sqlite.lock_holders(database, tmp_path / "none") == ()
