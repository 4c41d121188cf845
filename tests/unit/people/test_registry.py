"""People: who they are, what they may become, and how those of before come into the tables."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from keepa_deals import cli
from keepa_deals.db.session import Database
from keepa_deals.people import passwords, registry
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.errors import AccessError
from keepa_deals.people.registry import Registry
from keepa_deals.people.takeover import take_over
from keepa_deals.roles import Role, Scope
from tests.support.people import quick_passwords
from tests.support.world import START, make_world

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_passwords(monkeypatch)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    world = make_world(tmp_path / "deals.db")
    yield world.database
    world.database.close()


@pytest.fixture
def file(tmp_path: Path) -> AccessFile:
    return AccessFile(tmp_path)


@pytest.fixture
def people(database: Database, file: AccessFile) -> Registry:
    return Registry(database, file)


def names(people: Registry) -> list[tuple[str, str]]:
    return [(one.person.name, str(one.person.role)) for one in people.read().accounts]


def test_the_first_person_is_an_admin_and_others_are_what_was_said(people: Registry) -> None:
    with pytest.raises(AccessError, match="first person must be an admin"):
        people.add("Ada", Role.READER, PASSWORD, START)
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    people.add("Bo", Role.READER, PASSWORD, START)
    people.set_role("bo", Role.OPERATOR)
    assert names(people) == [("Ada", "admin"), ("Bo", "operator")]


@pytest.mark.parametrize("name", ["", "   ", "a\nb"[1:2], "x" * 65, "a:b", "a\u202eb"])
def test_a_name_that_nobody_could_type_or_see_is_refused(people: Registry, name: str) -> None:
    with pytest.raises(AccessError, match="a name has"):
        people.add(name, Role.ADMIN, PASSWORD, START)


@pytest.mark.parametrize("name", ["ADA", " ada ", "\uff21da"])
def test_a_name_is_taken_whatever_its_case_and_form(people: Registry, name: str) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    with pytest.raises(AccessError, match="there is a person 'Ada' already"):
        people.add(name, Role.READER, PASSWORD, START)


def test_the_last_admin_stays_one_and_goes_last(people: Registry) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    people.add("Bo", Role.READER, PASSWORD, START)
    for change in (lambda: people.set_role("Ada", Role.READER), lambda: people.remove("Ada")):
        with pytest.raises(AccessError, match="'Ada' is the last admin"):
            change()
    people.remove("Bo")
    people.remove("Ada")
    assert names(people) == []


def test_an_id_is_never_given_twice(people: Registry) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    first = people.add("Bo", Role.READER, PASSWORD, START)
    people.remove("Bo")
    assert people.add("Bo", Role.READER, PASSWORD, START).id != first.id


def test_who_is_not_there_is_named_with_those_who_are(people: Registry) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    for change in (
        lambda: people.set_password("Eve", PASSWORD),
        lambda: people.set_role("Eve", Role.ADMIN),
        lambda: people.remove("Eve"),
        lambda: people.add_token("Eve", "script", Scope.READ, START),
    ):
        with pytest.raises(AccessError, match="no person 'Eve'; there are: 'Ada'"):
            change()


def test_a_new_password_is_another_stamp(people: Registry) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    (before,) = people.read().accounts
    people.set_password("Ada", PASSWORD + "!")
    (after,) = people.read().accounts
    assert after.stamp != before.stamp
    assert passwords.is_password(after.password_hash, PASSWORD + "!")
    assert not passwords.is_password(after.password_hash, PASSWORD)
    with pytest.raises(AccessError, match="12 to 1000 characters"):
        people.set_password("Ada", "short")


def test_nobody_has_no_password() -> None:
    assert not passwords.is_password(None, "the password of nobody")


def test_tokens_go_with_their_person(people: Registry) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    bo = people.add("Bo", Role.READER, PASSWORD, START)
    secret = people.add_token("Bo", "script", Scope.WRITE, START)
    with pytest.raises(AccessError, match="a token 'script' already"):
        people.add_token("Ada", "script", Scope.READ, START)
    token = people.read().token(secret)
    assert token is not None
    assert (token.person_id, token.scope) == (bo.id, Scope.WRITE)
    people.remove("Bo")
    assert people.read().token(secret) is None


def test_the_number_of_people_is_bounded(people: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_PEOPLE", 1)
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    with pytest.raises(AccessError, match="there are 1 people already"):
        people.add("Bo", Role.READER, PASSWORD, START)


# -- the home's copy -------------------------------------------------------------------------------
def test_the_copy_is_private_and_holds_no_secret(people: Registry, tmp_path: Path) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    secret = people.add_token("Ada", "script", Scope.READ, START)
    text = (tmp_path / "access.json").read_text()
    assert PASSWORD not in text
    assert secret not in text
    assert stat.S_IMODE((tmp_path / "access.json").stat().st_mode) == 0o600
    assert AccessFile(tmp_path).read().register == people.read()


def test_the_copy_is_written_only_where_it_differs(people: Registry, file: AccessFile) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    before = file.version()
    people.read()
    assert file.version() == before


def test_an_ended_session_stays_ended_while_people_change(people: Registry, file: AccessFile) -> None:
    file.end_session("s1", START, START + timedelta(days=1))
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    assert set(file.read().ended) == {"s1"}
    file.end_session("s2", START + timedelta(days=2), START + timedelta(days=3))
    assert set(file.read().ended) == {"s2"}  # the first one has ended by itself


@pytest.mark.parametrize("text", ["{", "[]", '{"password": null}', '{"tokens": [1], "ended": {}}'])
def test_a_damaged_copy_is_no_empty_one(file: AccessFile, tmp_path: Path, text: str) -> None:
    (tmp_path / "access.json").write_text(text)
    with pytest.raises(AccessError, match=r"access\.json: is damaged"):
        file.read()


def test_the_version_before_can_read_the_copy(people: Registry, tmp_path: Path) -> None:
    """After a roll-back the first admin's password is the one that logs in."""
    ada = people.add("Ada", Role.ADMIN, PASSWORD, START)
    people.add_token("Ada", "script", Scope.WRITE, START)
    held = json.loads((tmp_path / "access.json").read_text())
    assert passwords.is_password(held["password"], PASSWORD)
    assert [(token["name"], token["person_id"]) for token in held["tokens"]] == [("script", ada.id)]
    assert held["ended"] == {}


# -- taking over -----------------------------------------------------------------------------------
def write_of_before(home: Path, password: str | None) -> None:
    token = {"name": "old", "digest": "d" * 64, "created_at": START.isoformat()}
    held = {"password": password and passwords.hashed(password), "tokens": [token], "ended": {"s": 9**10}}
    (home / "access.json").write_text(json.dumps(held))


def test_the_single_password_becomes_the_first_admins(
    database: Database, file: AccessFile, tmp_path: Path
) -> None:
    write_of_before(tmp_path, PASSWORD)
    register = take_over(database, file, START)
    (admin,) = register.accounts
    assert (admin.person.name, admin.person.role) == ("admin", Role.ADMIN)
    assert passwords.is_password(admin.password_hash, PASSWORD)
    assert [(t.name, t.person_id, t.scope) for t in register.tokens] == [("old", admin.person.id, Scope.READ)]
    assert set(file.read().ended) == {"s"}
    assert take_over(database, file, START) == register


def test_tokens_of_nobody_wait_for_the_first_person(
    database: Database, file: AccessFile, people: Registry, tmp_path: Path
) -> None:
    write_of_before(tmp_path, None)
    assert take_over(database, file, START).accounts == ()
    people.read()
    ada = people.add("Ada", Role.ADMIN, PASSWORD, START)
    assert [(token.name, token.person_id) for token in people.read().tokens] == [("old", ada.id)]


def test_a_new_database_gets_the_people_of_the_home(
    people: Registry, file: AccessFile, tmp_path: Path
) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    people.add("Gone", Role.READER, PASSWORD, START)
    people.remove("Gone")
    people.add("Bo", Role.READER, PASSWORD, START)
    people.add_token("Bo", "script", Scope.READ, START)
    other = make_world(tmp_path / "other.db").database
    register = take_over(other, file, START)
    assert [(one.person.name, one.person.role) for one in register.accounts] == [
        ("Ada", Role.ADMIN),
        ("Bo", Role.READER),
    ]
    owner = register.numbered(register.tokens[0].person_id)
    assert owner is not None
    assert owner.person.name == "Bo"
    other.close()


def test_where_there_are_people_the_table_decides(
    people: Registry, database: Database, file: AccessFile, tmp_path: Path
) -> None:
    people.add("Ada", Role.ADMIN, PASSWORD, START)
    write_of_before(tmp_path, "another password altogether")
    assert [one.person.name for one in take_over(database, file, START).accounts] == ["Ada"]
    assert file.read().register == people.read()


# -- the commands ----------------------------------------------------------------------------------
def test_the_commands_add_list_change_and_remove(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KEEPA_DEALS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KEEPA_API_KEY", "k" * 64)

    def run(*arguments: str, typed: str = "") -> str:
        result = CliRunner().invoke(cli.cli, ["user", *arguments], input=typed, catch_exceptions=False)
        return result.output

    assert "Ada may log in as admin" in run("add", "Ada", typed=PASSWORD + "\n")  # in a home never started
    assert "Bo may log in as reader" in run("add", "Bo", typed=PASSWORD + "\n")
    assert "Bo is operator now" in run("role", "Bo", "operator")
    assert "in force" in run("password", "Bo", typed=PASSWORD + "?\n")
    assert [line.split("\t")[:2] for line in run("list").splitlines()] == [
        ["Ada", "admin"],
        ["Bo", "operator"],
    ]
    assert "Bo is removed." in run("remove", "Bo")
    assert "open on loopback" in run("remove", "Ada")
    assert run("list") == ""
