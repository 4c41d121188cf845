"""A reader's book of marks: changed, taken back, and each for themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, update

from keepa_deals.db.models import Deal, DealMark, HiddenBrand, MarkBook
from keepa_deals.ingest.upsert import run as upsert
from keepa_deals.marks import changes
from keepa_deals.marks.changes import Change, MarkError, open_book, undo
from keepa_deals.marks.marks import UNMARKED, HiddenBy, Hiding, Key, Mark, Marks, Purchase
from keepa_deals.marks.reading import MarksMemory, read_each, read_marks
from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.registry import Registry
from keepa_deals.roles import Role
from tests.support.nightly import amount
from tests.support.people import quick_passwords
from tests.support.world import START, World, make_deal, make_world

KEYS: list[Key] = [(1, f"B{number:09d}") for number in range(4)]
STARRED = Mark(starred_at=START)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(*(make_deal(asin, price=1000) for _, asin in KEYS))
    upsert.run(world.context)
    with world.database.begin() as session:
        session.execute(update(Deal).values(brand="Acme", root_category=5, category_name="Toys"))
    yield world
    world.database.close()


@contextmanager
def changing(world: World, person: int | None = None) -> Iterator[Change]:
    with world.database.begin() as session:
        change = open_book(session, person, world.clock.now())
        yield change
        change.close("changed")


def marks(world: World, person: int | None = None) -> Marks:
    with world.database.engine.connect() as connection:
        return read_marks(connection, person)


def own(world: World, key: Key = KEYS[0], person: int | None = None) -> Mark:
    with world.database.engine.connect() as connection:
        return read_each(connection, person, [key]).get(key, UNMARKED)


def revision(world: World) -> int:
    with world.database.session() as session:
        return session.get_one(MarkBook, 0).revision


def take_back(world: World, number: int) -> bool:
    with world.database.begin() as session:
        return undo(open_book(session, None, world.clock.now()), number)


def test_a_mark_with_nothing_in_it_leaves_no_row(world: World) -> None:
    with changing(world) as change:
        assert change.edit(KEYS, lambda _: STARRED) == 4
    with changing(world) as change:
        assert change.edit(KEYS[:1], lambda _: UNMARKED) == 1
    assert marks(world).starred == set(KEYS[1:])
    with world.database.session() as session:
        assert len(session.scalars(select(DealMark)).all()) == 3


def test_until_it_is_cheaper_is_reckoned_from_the_price_of_now(world: World) -> None:
    with changing(world) as change:
        change.hide_until(KEYS[:1], 10)
    assert own(world).hiding == Hiding(world.clock.now(), 10, 900)
    told = marks(world)
    assert [told.hidden_by(KEYS[0], price, None, None) for price in (901, 900, None)] == [
        HiddenBy.DEAL,
        None,
        HiddenBy.DEAL,
    ]


def test_without_a_price_nothing_can_get_cheaper_and_it_is_hidden_for_good(world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(Deal).values(price=None))
    with changing(world) as change:
        change.hide_until(KEYS[:1], 10)
    assert own(world).hiding == Hiding(world.clock.now())


def test_brand_and_category_are_hidden_and_shown_again(world: World) -> None:
    with changing(world) as change:
        assert change.set_brands(KEYS, hidden=True) == 1
        assert change.set_categories(KEYS, hidden=True) == 1
    told = marks(world)
    assert (told.brands, told.categories) == ({"Acme"}, {(1, 5)})
    assert told.hidden_by(KEYS[0], 1, "Acme", None) is HiddenBy.BRAND
    assert told.hidden_by(KEYS[0], 1, "acme", 5) is HiddenBy.CATEGORY
    assert told.hidden_by((2, KEYS[0][1]), 1, None, 5) is None, "categories are a marketplace's"
    with changing(world) as change:
        change.set_brands(KEYS, hidden=False)
        change.set_categories(KEYS, hidden=False)
    assert marks(world).is_empty


def test_what_is_unknown_can_not_be_hidden_by(world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(Deal).values(brand=None, root_category=None))
    with pytest.raises(MarkError, match="brand"), changing(world) as change:
        change.set_brands(KEYS, hidden=True)
    with pytest.raises(MarkError, match="category"), changing(world) as change:
        change.set_categories(KEYS, hidden=True)


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, list[Key], Any]]:
    what = st.sampled_from(["star", "hide", "until", "note", "bought", "clear", "brand", "category", "show"])
    keys = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3)
    return draw(st.lists(st.tuples(what, keys, st.integers(1, 90)), min_size=1, max_size=6))


def do(change: Change, step: tuple[str, list[Key], int]) -> None:
    what, keys, number = step
    now = START + timedelta(minutes=number)
    match what:
        case "star":
            change.edit(keys, lambda mark: dataclasses.replace(mark, starred_at=now))
        case "hide":
            change.edit(keys, lambda mark: dataclasses.replace(mark, hiding=Hiding(now)))
        case "until":
            change.hide_until(keys, number)
        case "note":
            change.edit(keys, lambda mark: dataclasses.replace(mark, note=f"note {number}"))
        case "bought":
            change.edit(keys, lambda mark: dataclasses.replace(mark, bought=Purchase(now, number, 2)))
        case "clear":
            change.edit(keys, lambda _: UNMARKED)
        case "brand":
            change.set_brands(keys, hidden=True)
        case "category":
            change.set_categories(keys, hidden=True)
        case "show":
            change.set_brands(keys, hidden=False)


def everything(world: World) -> object:
    told = marks(world)
    each = {key: own(world, key) for key in KEYS}
    return each, told.brands, told.categories


@given(before=steps(), then=steps())
@settings(
    max_examples=amount(25, at_night=300),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_last_change_taken_back_leaves_what_was_before(
    world: World, before: list[Any], then: list[Any]
) -> None:
    with changing(world) as change:
        for step in before:
            do(change, step)
    old, at = everything(world), revision(world)
    with changing(world) as change:
        for step in then:
            do(change, step)
    changed = revision(world)
    if changed == at:  # nothing to change
        assert everything(world) == old
        return
    assert take_back(world, changed)
    assert everything(world) == old
    assert not take_back(world, changed), "once"


def test_a_change_is_not_taken_back_after_another_one(world: World) -> None:
    with changing(world) as change:
        change.edit(KEYS[:1], lambda _: STARRED)
    first = revision(world)
    with changing(world) as change:
        change.edit(KEYS[1:2], lambda _: STARRED)
    assert not take_back(world, first)
    assert marks(world).starred == set(KEYS[:2])


def test_books_are_kept_apart_and_go_with_their_person(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_passwords(monkeypatch)
    people = Registry(world.database, AccessFile(tmp_path))
    people.add("admin", Role.ADMIN, "correct horse battery", START)
    ada = people.add("ada", Role.READER, "correct horse battery", START).id
    for person in (None, ada):
        with changing(world, person) as change:
            change.edit(KEYS[: 1 if person else 2], lambda _: STARRED)
            change.set_brands(KEYS, hidden=True)
    assert (len(marks(world).starred), len(marks(world, ada).starred)) == (2, 1)
    people.remove("ada")
    assert marks(world, ada).is_empty
    assert len(marks(world).starred) == 2
    with world.database.session() as session:
        assert session.scalars(select(HiddenBrand.book_id)).all() == [0]


def test_a_book_is_full_at_its_bound_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_MARKS", 3)
    with pytest.raises(MarkError, match="you have marked 3 deals"), changing(world) as change:
        change.edit(KEYS, lambda _: STARRED)
    with pytest.raises(MarkError, match="at most 200 deals at once"), changing(world) as change:
        change.edit(KEYS * 51, lambda _: STARRED)
    assert marks(world).is_empty


def test_marks_are_read_again_only_after_a_change(world: World) -> None:
    memory, asked = MarksMemory(), []
    with world.database.engine.connect() as connection:
        assert memory.read(connection, None).is_empty
    with changing(world) as change:
        change.edit(KEYS[:1], lambda _: STARRED)
    with world.database.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        first = memory.read(connection, None)
        questions = len(asked)
        assert memory.read(connection, None) is first
        assert len(asked) == questions + 1, "the revision alone"
    with changing(world) as change:
        change.edit(KEYS[1:2], lambda _: STARRED)
    with world.database.engine.connect() as connection:
        assert memory.read(connection, None).starred == set(KEYS[:2])
