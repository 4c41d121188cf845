"""``keepa-deals run``: one program in the foreground, as the supervisor would run it, or why not."""

from __future__ import annotations

import time
from pathlib import Path

import fakeredis
import pytest
import redis
from click.testing import CliRunner

from keepa_deals import settings as settings_module
from keepa_deals.cli import cli
from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.deployment import supervisor, supervisor_config
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.errors import OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.errors import SettingsError
from keepa_deals.ops import program, program_cli
from keepa_deals.settings import Settings

KEY = "k" * settings_module.KEY_LENGTH
PROGRAMS = tuple(program.NAMES)
MEANT_FOR_ANOTHER = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "GUNICORN_CMD_ARGS", "FLASK_DEBUG")
"""Variables of a container's other life, which the libraries would put before our settings."""


def settings(home: Path, **values: object) -> Settings:
    given = {"keepa_api_key": KEY, "redis_url": "redis://127.0.0.1:1/0", **values}
    chosen = {name: value for name, value in given.items() if value is not None}
    return settings_module.load(env_file=None, runtime=False, keepa_deals_home=home, **chosen)


def deployment(home: Path, **values: object) -> Deployment:
    return Deployment(Home(home), settings(home, **values), with_sandbox=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_what_the_supervisor_would_run(tmp_path: Path, name: str) -> None:
    here = deployment(tmp_path)
    supervised = {one.name: one.command for one in supervisor_config.programs(here)}
    assert program.command_of(name, here) == supervised[program.NAMES[name]]


def test_every_program_of_a_live_service_but_the_guard_can_be_run_alone(tmp_path: Path) -> None:
    supervised = {one.name for one in supervisor_config.programs(deployment(tmp_path))}
    assert set(program.NAMES.values()) == supervised - {"guard"}


def test_a_program_takes_the_place_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that TERM reaches it, and its exit code whoever supervises it."""
    here, ran = deployment(tmp_path / "home"), []
    monkeypatch.setattr(Deployment, "as_wanted", classmethod(lambda cls: here))
    monkeypatch.setattr(program_cli.os, "execve", lambda *call: ran.append(call))
    monkeypatch.setattr(program_cli.os, "chdir", lambda path: None)
    for name in MEANT_FOR_ANOTHER:
        monkeypatch.setenv(name, "amqp://elsewhere")
    done = CliRunner().invoke(cli, ["run", "beat"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    ((path, command, environment),) = ran
    assert (path, command) == (command[0], program.command_of("beat", here))
    assert environment["KEEPA_DOMAIN_ID"] == "1"
    assert environment["MALLOC_ARENA_MAX"] == "2"
    assert environment["PATH"]
    assert environment.keys().isdisjoint(MEANT_FOR_ANOTHER)
    assert (tmp_path / "home" / "log").is_dir()


@pytest.mark.parametrize("missing", ["keepa_api_key", "redis_url"])
def test_what_a_program_cannot_do_without_is_said_before_it_starts(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SettingsError, match=missing.upper()):
        program.prepare(deployment(tmp_path / "home", **{missing: None}))


def test_a_home_whose_programs_a_supervisor_runs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "live_supervisor", lambda home: object())
    with pytest.raises(OpsError, match="in use by a supervisor"):
        program.prepare(deployment(tmp_path / "home"))


def test_another_name_is_answered_with_those_that_there_are() -> None:
    done = CliRunner().invoke(cli, ["run", "worker"])
    assert done.exit_code == 2
    assert all(name in done.output for name in (*PROGRAMS, "migrate"))


def test_migrate_makes_the_tables_and_ends(tmp_path: Path) -> None:
    here, said = deployment(tmp_path / "home"), []
    program.migrate(here, said.append)
    assert said[0].startswith("database: migrated from nothing")
    program.migrate(here, said.append)
    assert said[1].startswith("database: at migration")


# -- the look of a health check -----------------------------------------------------------------------
@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeRedis:
    store = fakeredis.FakeRedis(decode_responses=True)
    monkeypatch.setattr(program, "connect_probe", lambda *_, **__: store)
    return store


@pytest.mark.parametrize(
    ("ago", "words"), [(None, "has not ticked yet"), (40, "last tick was 40 s ago"), (4, None)]
)
def test_beat_is_at_work_while_it_ticks(
    tmp_path: Path, store: fakeredis.FakeRedis, ago: float | None, words: str | None
) -> None:
    if ago is not None:
        store.set("keepa_deals:beat:last_tick", int((time.time() - ago) * 1000))
    told = program.complaint("beat", deployment(tmp_path))
    assert told is None if words is None else words in str(told)


@pytest.mark.parametrize("name", ["upsert-worker", "backfill-worker"])
def test_a_worker_needs_its_tables_as_the_code_has_them(
    tmp_path: Path, store: fakeredis.FakeRedis, name: str
) -> None:
    here = deployment(tmp_path)
    assert "there is no database" in str(program.complaint(name, here))
    database = Database(here.settings.database_dsn)
    migrate.upgrade(database)
    assert program.complaint(name, here) is None
    migrate.downgrade(database, "20261125_0020")
    database.close()
    assert "keepa-deals run migrate" in str(program.complaint(name, here))


def test_a_worker_needs_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(fakeredis.FakeRedis):
        def ping(self, **_: object) -> bool:
            raise redis.ConnectionError("refused")

    monkeypatch.setattr(program, "connect_probe", lambda *_, **__: Away())
    assert program.complaint("upsert-worker", deployment(tmp_path)) == "Redis does not answer: refused"


def test_a_dashboard_that_does_not_answer_is_not_at_work(tmp_path: Path) -> None:
    told = program.complaint("dashboard", deployment(tmp_path, dashboard_port=1))
    assert told == "no answer at http://127.0.0.1:1/"
