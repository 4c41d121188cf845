"""A copy of the database, and the way back under the eyes of its readers."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from keepa_deals import cli
from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.deployment import backups
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.ops import restore
from tests.support.servers.postgres import PostgresServer

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def opened(tmp_path: Path) -> tuple[Home, Database]:
    home = Home(tmp_path / "home")
    home.make()
    database = Database(f"sqlite:///{home.path / 'deals.db'}")
    migrate.upgrade(database)
    return home, database


def jobs(database: Database) -> int:
    with database.session() as session:
        return int(session.execute(text("SELECT count(*) FROM job_states")).scalar_one())


def add_job(database: Database, name: str) -> None:
    with database.begin() as session:
        row = {"name": name}
        session.execute(
            text(
                "INSERT INTO job_states (name, fence, paused, rows, tokens_spent) VALUES (:name, 0, 0, 0, 0)"
            ),
            row,
        )


def test_a_copy_comes_back_under_a_reader_that_stays_connected(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    add_job(database, "before")
    copy = backups.make(home, database, NOW)
    assert copy.stat().st_mode & 0o777 == 0o600
    add_job(database, "after")
    with contextlib.closing(sqlite3.connect(home.path / "deals.db")) as reader:
        assert reader.execute("SELECT count(*) FROM job_states").fetchone() == (2,)
        restore.restore(copy, database)
        assert reader.execute("SELECT count(*) FROM job_states").fetchone() == (1,)
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert jobs(database) == 1
    add_job(database, "goes on")
    assert jobs(database) == 2
    database.close()


def test_old_copies_are_deleted(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    for day in range(1, 9):
        backups.make(home, database, NOW.replace(day=day))
    names = sorted(path.name for path in home.backups.iterdir())
    assert len(names) == backups.MAX_COPIES
    assert names[0].startswith("deals-20261104")
    database.close()


def test_postgresql_is_dumped_with_all_its_tables(tmp_path: Path, postgres_server: PostgresServer) -> None:
    home = Home(tmp_path / "home")
    home.make()
    database = Database(postgres_server.dsn)
    migrate.upgrade(database)
    copy = backups.make(home, database, NOW)
    database.close()
    assert copy.suffix == ".dump"
    assert b"job_states" in copy.read_bytes()


# -- a copy that fails -------------------------------------------------------------------------------
def test_a_copy_that_fails_leaves_no_file_and_the_good_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, database = opened(tmp_path)
    good = [backups.make(home, database, NOW.replace(day=day)) for day in range(1, 6)]

    def run_out_of_disk(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(backups, "copy_sqlite", run_out_of_disk)
    with pytest.raises(OpsError, match="disk is full"):
        backups.make(home, database, NOW)
    assert sorted(home.backups.iterdir()) == good
    assert backups.newest(home.backups) == good[-1]
    database.close()


def test_what_a_killed_copy_has_left_is_no_copy_and_goes_with_the_next(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    (home.backups / ".deals-20261124T000000Z.db.part").touch()
    assert backups.newest(home.backups) is None
    copy = backups.make(home, database, NOW)
    assert list(home.backups.iterdir()) == [copy]
    assert backups.newest(home.backups) == copy
    database.close()


# -- putting one back --------------------------------------------------------------------------------
def ops(home: Home, *arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEEPA_DEALS_HOME", str(home.path))
        return CliRunner().invoke(cli.cli, ["ops", *arguments])


def run_restore(home: Home, copy: Path) -> Result:
    return ops(home, "restore", str(copy))


def test_a_copy_can_be_made_at_any_time(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    database.close()
    result = ops(home, "backup")
    assert result.exit_code == 0, result.output
    assert backups.newest(home.backups) == Path(result.output.strip())
    (home.path / "deals.db").unlink()
    result = ops(home, "backup")
    assert result.exit_code == 1
    assert "deals.db does not exist" in result.output


def quick_check(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA quick_check").fetchone()[0])


def test_a_copy_takes_the_place_of_a_database_with_a_foreign_log_beside_it(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    add_job(database, "saved")
    copy = backups.make(home, database, NOW)
    path = home.path / "deals.db"
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE TABLE grown (x)")
        writer.executemany("INSERT INTO grown VALUES (?)", [("y" * 500,)] * 500)
        writer.commit()
        log = path.with_name("deals.db-wal").read_bytes()
    database.close()
    path.write_bytes(b"damaged")
    path.with_name("deals.db-wal").write_bytes(log)
    result = run_restore(home, copy)
    assert result.exit_code == 0, result.output
    assert quick_check(path) == "ok"
    assert path.stat().st_mode & 0o777 == 0o600
    assert jobs(database) == 1
    database.close()
    (aside,) = home.path.glob("replaced-*")
    assert str(aside) in result.output
    assert (aside / "deals.db").read_bytes() == b"damaged"
    assert (aside / "deals.db-wal").read_bytes() == log


def test_a_missing_database_comes_back(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    copy = backups.make(home, database, NOW)
    database.close()
    (home.path / "deals.db").unlink()
    assert run_restore(home, copy).exit_code == 0
    assert quick_check(home.path / "deals.db") == "ok"
    assert list(home.path.glob("replaced-*")) == []


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_what_is_no_copy_is_refused_and_changes_nothing(tmp_path: Path, content: bytes) -> None:
    home, database = opened(tmp_path)
    add_job(database, "stays")
    broken = tmp_path / "deals-20261124T000000Z.db"
    broken.write_bytes(content)
    result = run_restore(home, broken)
    assert result.exit_code == 1
    assert "no whole copy of the database" in result.output
    assert jobs(database) == 1
    database.close()


def test_nothing_is_put_back_under_a_running_program(tmp_path: Path) -> None:
    home, database = opened(tmp_path)
    copy = backups.make(home, database, NOW)
    database.close()
    environment = {**os.environ, "KEEPA_DEALS_SUPERVISED": str(home.path)}
    program = subprocess.Popen(["sleep", "60"], env=environment)
    try:
        result = run_restore(home, copy)
    finally:
        program.kill()
        program.wait()
    assert result.exit_code == 1
    assert "./kill_everything_force.sh first" in result.output
