"""Who may use the dashboard while the database answers, and while it does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepa_deals.db.session import Database
from keepa_deals.people import directory as directory_module
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.directory import FRESH_SECONDS, RETRY_SECONDS, Directory
from keepa_deals.people.errors import AccessError
from keepa_deals.roles import Role
from tests.support.people import People, quick_passwords
from tests.support.world import World, make_world

PASSWORD = "correct horse battery"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    quick_passwords(monkeypatch)
    world = make_world(tmp_path / "deals.db")
    yield world
    world.database.close()


@pytest.fixture
def people(world: World, tmp_path: Path) -> People:
    return People(tmp_path)


@pytest.fixture
def directory(world: World, tmp_path: Path) -> Directory:
    return Directory(world.database, AccessFile(tmp_path), world.clock)


def names(directory: Directory) -> list[str]:
    return [one.person.name for one in directory.read().accounts]


def test_a_change_here_is_known_at_once(directory: Directory, people: People) -> None:
    assert names(directory) == []
    people.set_password(PASSWORD)
    assert names(directory) == ["admin"]
    people.add("Bo", Role.READER, PASSWORD)
    assert names(directory) == ["admin", "Bo"]
    people.remove("Bo")
    assert names(directory) == ["admin"]


def test_a_change_on_another_machine_is_known_soon_and_kept_here(
    directory: Directory, people: People, world: World, tmp_path: Path
) -> None:
    people.set_password(PASSWORD)
    assert names(directory) == ["admin"]
    with world.database.begin() as session:
        session.connection().exec_driver_sql("UPDATE people SET name = 'Ada'")
    assert names(directory) == ["admin"]
    world.clock.sleep(FRESH_SECONDS)
    assert names(directory) == ["Ada"]
    assert [one.person.name for one in AccessFile(tmp_path).read().register.accounts] == ["Ada"]


def test_while_the_database_is_gone_the_copy_decides(people: People, world: World, tmp_path: Path) -> None:
    people.set_password(PASSWORD)
    away = Database(f"sqlite:///{tmp_path}/none/deals.db")
    assert names(Directory(away, AccessFile(tmp_path), world.clock)) == ["admin"]


def test_nobody_known_is_not_nobody(world: World, tmp_path: Path) -> None:
    away = Database(f"sqlite:///{tmp_path}/none/deals.db")
    with pytest.raises(AccessError, match="the database does not tell them"):
        Directory(away, AccessFile(tmp_path), world.clock).read()


def test_a_database_that_does_not_answer_is_left_alone_for_a_while(
    people: People, directory: Directory, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.set_password(PASSWORD)
    monkeypatch.setattr(directory_module, "TIMEOUT", 0.05)
    asked: list[int] = []
    over = threading.Event()

    def hang(_self: Directory) -> None:
        asked.append(1)
        over.wait(30)
        raise OSError

    monkeypatch.setattr(Directory, "_ask_tables", hang)
    assert names(directory) == ["admin"]
    assert names(directory) == ["admin"]
    assert len(asked) == 1
    world.clock.sleep(RETRY_SECONDS)
    assert names(directory) == ["admin"]
    assert len(asked) == 2
    over.set()
