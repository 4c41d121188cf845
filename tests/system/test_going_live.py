"""A sandbox's deals and Keepa's never mix, and nothing is lost on the way from the one to the other."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from keepa_deals import settings as settings_module
from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.ops import database_origin
from keepa_deals.settings import Settings
from tests.support.deployment import Service
from tests.support.servers.sandbox import KEY, SandboxProcess
from tests.support.world import START, make_deal, make_world

NOW = datetime(2026, 11, 29, 10, 20, tzinfo=UTC)
ASIDE = "sandbox-20261129T102000Z"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


def settings_of(home: Home, dsn: str | None = None) -> Settings:
    given = {"database_url": dsn} if dsn else {}
    return settings_module.load(env_file=None, runtime=False, keepa_deals_home=home.path, **given)


def deployment(settings: Settings, *, sandbox: bool) -> Deployment:
    return Deployment(Home(settings.keepa_deals_home), settings, sandbox)


def fill(settings: Settings, *, sandbox: bool | None) -> None:
    """One deal; ``sandbox=None`` leaves the database unmarked."""
    from keepa_deals.ingest.upsert import run as upsert

    world = make_world(settings.database_dsn)
    world.keepa.list(make_deal("B000000001", created=START))
    upsert.run(world.context)
    world.database.close()
    if sandbox is not None:
        database_origin.note(deployment(settings, sandbox=sandbox))


def set_aside(settings: Settings, *, sandbox: bool) -> list[str]:
    said: list[str] = []
    database_origin.set_aside_sandbox(deployment(settings, sandbox=sandbox), NOW, said.append)
    return said


@pytest.mark.parametrize("sandbox", [False, True])
def test_deals_of_the_same_kind_stay(home: Home, *, sandbox: bool) -> None:
    settings = settings_of(home)
    fill(settings, sandbox=sandbox)
    assert set_aside(settings, sandbox=sandbox) == []
    assert (home.path / "deals.db").exists()


def test_a_sandbox_makes_way_for_the_live_service_with_all_that_it_left(home: Home) -> None:
    settings = settings_of(home)
    fill(settings, sandbox=True)
    (home.backups / "deals-20261129T000000Z.db").touch()
    (home.redis / "appendonly.aof").touch()
    said = set_aside(settings, sandbox=False)
    aside = home.path / ASIDE
    assert str(aside) in said[0]
    assert not (home.path / "deals.db").exists()
    assert list(home.backups.iterdir()) == list(home.redis.iterdir()) == []
    assert (aside / "redis" / "appendonly.aof").exists()
    assert (aside / "backups" / "deals-20261129T000000Z.db").exists()
    with closing(sqlite3.connect(aside / "deals.db")) as old:
        assert old.execute("SELECT asin FROM deals").fetchall() == [("B000000001",)]
    assert set_aside(settings, sandbox=False) == []


def test_a_move_that_was_interrupted_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(home)
    fill(settings, sandbox=True)
    original = Path.rename

    def fail_at_the_database(path: Path, target: Path) -> Path:
        if path.name == "deals.db":
            raise OSError(28, os.strerror(28))
        return original(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_database)
    with pytest.raises(OpsError, match="cannot be moved there"):
        set_aside(settings, sandbox=False)
    monkeypatch.undo()
    said: list[str] = []
    later = NOW.replace(minute=21)
    database_origin.set_aside_sandbox(deployment(settings, sandbox=False), later, said.append)
    assert not (home.path / "deals.db").exists()


def test_real_deals_are_never_moved_for_a_sandbox(home: Home) -> None:
    settings = settings_of(home)
    fill(settings, sandbox=False)
    with pytest.raises(OpsError, match=f"KEEPA_DEALS_HOME={home.path}/sandbox DASHBOARD_PORT="):
        set_aside(settings, sandbox=True)
    assert (home.path / "deals.db").exists()


@pytest.mark.parametrize(("left", "aside"), [("# sandbox\n", True), ("KEEPA_DOMAIN_ID='1'\n", False)])
def test_an_unmarked_database_is_what_the_home_last_ran(home: Home, left: str, *, aside: bool) -> None:
    settings = settings_of(home)
    fill(settings, sandbox=None)
    migrate_to_before_marks(settings)
    home.runtime.write_text(left)
    set_aside(settings, sandbox=False)
    assert (home.path / ASIDE).exists() == aside


def migrate_to_before_marks(settings: Settings) -> None:
    database = Database.from_settings(settings)
    migrate.downgrade(database, "20261125_0310")
    database.close()


def test_a_database_without_deals_is_nobodys(home: Home) -> None:
    settings = settings_of(home)
    database = Database.from_settings(settings)
    migrate.upgrade(database)
    database.close()
    database_origin.note(deployment(settings, sandbox=False))
    assert set_aside(settings, sandbox=True) == []


def test_a_database_beyond_the_home_is_refused_in_both_directions(home: Home, empty_dsn: str) -> None:
    settings = settings_of(home, empty_dsn)
    fill(settings, sandbox=True)
    with pytest.raises(OpsError, match="name another, empty database"):
        set_aside(settings, sandbox=False)
    database_origin.note(deployment(settings, sandbox=False))
    with pytest.raises(OpsError, match="a sandbox would mix"):
        set_aside(settings, sandbox=True)


def test_the_mark_is_one_row(home: Home) -> None:
    settings = settings_of(home)
    fill(settings, sandbox=True)
    database_origin.note(deployment(settings, sandbox=False))
    database = Database.from_settings(settings)
    with database.session() as session:
        assert session.execute(text("SELECT told_by FROM origins")).all() == [("keepa",)]
    database.close()


def test_a_mark_that_stands_is_not_written_again(home: Home) -> None:
    settings = settings_of(home)
    fill(settings, sandbox=True)
    with closing(sqlite3.connect(home.path / "deals.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")  # whoever writes now would fail
        database_origin.note(deployment(settings, sandbox=True))
        holder.execute("ROLLBACK")


# -- the way of README: try it, then go live -------------------------------------------------------
@pytest.fixture
def keepa() -> Iterator[SandboxProcess]:
    """What the live service takes for Keepa."""
    sandbox = SandboxProcess("--deals", "150", "--tick-seconds", "2", "--tokens", "600")
    yield sandbox
    sandbox.stop()


@pytest.mark.slow
@pytest.mark.nightly
def test_going_live_after_the_sandbox_shows_none_of_its_deals(tmp_path: Path, keepa: SandboxProcess) -> None:
    service = Service(tmp_path / "home")
    try:
        service.start()
        said = service.run("start_celery.sh")
        assert said.returncode == 0
        assert "this is the sandbox: its deals are invented" in said.stdout
        invented = asins(service)

        service.environment |= {"KEEPA_API_KEY": KEY, "KEEPA_API_URL": keepa.url}
        said = service.run("start_celery.sh")
        assert said.returncode == 1
        assert "what runs is the sandbox, not the live service" in said.stderr
        assert "./kill_everything_force.sh && ./start_celery.sh goes live" in said.stderr

        service.kill()
        said = service.run("start_celery.sh")
        assert said.returncode == 0, said.stdout + said.stderr
        assert "set aside in" in said.stdout
        assert asins(service)
        assert not asins(service) & invented

        said = service.run("start_celery.sh", "--sandbox")
        assert said.returncode == 1
        assert "what runs is the live service, no sandbox" in said.stderr
        service.kill()
        said = service.run("start_celery.sh", "--sandbox")
        assert said.returncode == 1
        assert "the deals here are Keepa's" in said.stderr
        assert service.processes() == []
    finally:
        service.kill()


def asins(service: Service) -> set[str]:
    with closing(sqlite3.connect(service.home / "deals.db")) as database:
        return {asin for (asin,) in database.execute("SELECT asin FROM deals")}
