"""What a command line says: which program it is, for the operations and the diagnosis alike."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepa_deals import settings
from keepa_deals.deployment import embedded_redis, supervisor_config
from keepa_deals.deployment.deployment import Deployment
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.processes import (
    ALWAYS_THERE,
    MARK,
    MARK_ID,
    PROGRAMS,
    RawProcess,
    belongs,
    classify,
    id_of,
    program_of,
)

HOME = Path("/srv/a deployment/var")
TRUSTED = frozenset({0, 1000})


def started_programs() -> list[supervisor_config.Program]:
    home = Home(HOME)
    chosen = settings.load(
        env_file=None,
        runtime=False,
        keepa_deals_home=HOME,
        redis_url=embedded_redis.url(home),
        keepa_api_url="http://127.0.0.1:8100",
    )
    return supervisor_config.programs(Deployment(home, chosen, with_sandbox=True))


@pytest.mark.parametrize("program", started_programs(), ids=lambda program: program.name)
def test_each_program_that_we_start_is_known_again(program: supervisor_config.Program) -> None:
    assert program_of(program.command) == program.name
    assert program_of(("/a path/.venv/bin/python", *program.command)) in (program.name, None)


def test_every_program_has_a_pattern_and_none_is_expected_that_has_none() -> None:
    assert {program.name for program in started_programs()} | {"supervisord"} == set(PROGRAMS)
    assert set(ALWAYS_THERE) == set(PROGRAMS) - {"redis", "sandbox"}


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("tail", "-f", "var/log/supervisord.log"),
        ("vim", "run/supervisord.conf"),
        ("vim", "/etc/redis-server.conf"),
        ("celery", "-A", "shop", "worker", "-Q", "upsert"),
        ("gunicorn", "shop.web"),
        ("keepa-deals", "status"),
    ],
)
def test_what_only_mentions_a_program_is_none(command: tuple[str, ...]) -> None:
    assert program_of(command) is None


def raw(
    pid: int, *command: str, belongs: bool | None = True, user: int = 1000, parent: int = 1
) -> RawProcess:
    return RawProcess(
        pid=pid,
        parent=parent,
        program=program_of(command),
        command=" ".join(command),
        users=frozenset({user}),
        belongs=belongs,
        visible=True,
        user=str(user),
        started_at=datetime(2026, 3, 1, tzinfo=UTC),
        status="sleeping",
        memory=1,
    )


def test_a_healthy_deployment_is_all_ours_the_guard_included() -> None:
    started = [raw(10 + n, *program.command) for n, program in enumerate(started_programs())]
    table = classify(started, {}, TRUSTED)
    assert {process.program for process in table.ours} == set(PROGRAMS) - {"supervisord"}
    assert (table.strangers, table.unknown) == ((), ())


def test_another_user_s_program_is_a_stranger_s_whatever_it_says() -> None:
    command = ("keepa-deals", "ops", "guard")
    lying = raw(10, *command, user=2000)
    hidden = raw(11, *command, user=2000, belongs=None)
    table = classify([lying, hidden], {"guard": 10}, TRUSTED)
    assert table.ours == ()
    assert [process.pid for process in table.strangers] == [10, 11]


def test_a_redis_without_an_environment_is_ours_by_its_parent_or_its_pid_file() -> None:
    supervisor = raw(5, "python", "-m", "supervisor.supervisord", "-c", "x")
    redis = raw(6, "redis-server", "*:0", belongs=None, parent=5)
    alone = raw(7, "redis-server", "*:0", belongs=None)
    assert {p.pid for p in classify([supervisor, redis], {}, TRUSTED).ours} == {5, 6}
    assert classify([alone], {"redis": 7}, TRUSTED).ours
    assert classify([alone], {}, TRUSTED).strangers


def nowhere() -> None:
    return None


def test_a_home_that_was_moved_keeps_its_processes_and_its_copy_does_not_get_them(tmp_path: Path) -> None:
    moved, copy = tmp_path / "moved", tmp_path / "copy"
    moved.mkdir()
    copy.mkdir()
    known = id_of(moved)
    assert known is not None
    started = {MARK: str(tmp_path / "before"), MARK_ID: known}
    assert belongs(started, moved, nowhere) is True
    assert belongs(started, copy, nowhere) is False


def test_an_environment_that_names_no_home_proves_nothing(tmp_path: Path) -> None:
    assert belongs({"PATH": "/bin"}, tmp_path, nowhere) is None
    assert belongs({"KEEPA_DEALS_HOME": str(tmp_path)}, tmp_path, nowhere) is True
    assert belongs({"KEEPA_DEALS_HOME": "/elsewhere"}, tmp_path, nowhere) is False
