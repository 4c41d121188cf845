"""Problems of the service: what lasts is told once, its end once, and what comes and goes is no nuisance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from keepa_deals.alerts import service
from keepa_deals.alerts.service import AGAIN_AFTER, Memory, Trouble, compare, note
from keepa_deals.db.models import MessageKind, PersonRow, Role, ServiceProblem
from tests.support.alerts import deliveries, make_channel
from tests.support.world import World, make_world

NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAMES = ("behind", "refused")
BEHIND = Trouble("behind", "Refreshing is behind", "it last succeeded an hour ago", "look into it")
TITLES = {"behind": BEHIND.title}

Look = tuple[frozenset[str], frozenset[str], int]
"""The problems that are there, those of which nobody knows, and the seconds since the look before."""
LOOKS = st.lists(
    st.tuples(
        st.frozensets(st.sampled_from(NAMES)),
        st.frozensets(st.sampled_from(NAMES), max_size=1),
        st.sampled_from((0, 20, 60, 60, 60, 600)),
    ),
    max_size=80,
)


class Teller:
    """Keeps what was told of each problem."""

    def __init__(self) -> None:
        self.now = NOW
        self.memory: Mapping[str, Memory] = {}
        self.told: list[tuple[str, str, datetime]] = []

    def look(self, present: frozenset[str], unknown: frozenset[str] = frozenset(), seconds: int = 60) -> None:
        self.now += timedelta(seconds=seconds)
        compared = compare(self.memory, present, unknown, self.now)
        self.memory = compared.memory
        self.told += [("begun", name, self.now) for name in compared.begun]
        self.told += [("ended", name, self.now) for name in compared.ended]

    def of(self, name: str) -> list[str]:
        return [what for what, told, _ in self.told if told == name]


@given(LOOKS)
def test_each_is_told_once_and_ended_once_and_seldom(looks: Sequence[Look]) -> None:
    teller = Teller()
    for present, unknown, seconds in looks:
        before = len(teller.told)
        teller.look(present, unknown, seconds)
        for what, name, _ in teller.told[before:]:
            assert (name in present) == (what == "begun")
    for name in NAMES:
        told = teller.of(name)
        assert told == (["begun", "ended"] * len(told))[: len(told)]
        begun = [at for what, of, at in teller.told if (what, of) == ("begun", name)]
        assert all(late - early >= AGAIN_AFTER for early, late in pairwise(begun))


@given(LOOKS)
def test_whatever_was_before_what_lasts_is_told_and_so_is_its_end(looks: Sequence[Look]) -> None:
    teller = Teller()
    for look in looks:
        teller.look(*look)
    for _ in range(AGAIN_AFTER // MINUTE + 2):
        teller.look(frozenset(NAMES))
    assert all(teller.of(name)[-1] == "begun" for name in NAMES)
    for _ in range(2):
        teller.look(frozenset())
    assert all(teller.of(name)[-1] == "ended" for name in NAMES)
    for _ in range(AGAIN_AFTER // MINUTE + 2):
        teller.look(frozenset())
    assert teller.memory == {}


@given(LOOKS, st.integers(1, 100_000))
def test_a_clock_that_was_set_back_holds_up_nothing(looks: Sequence[Look], back: int) -> None:
    teller = Teller()
    for look in looks:
        teller.look(*look)
    teller.now -= timedelta(seconds=back)
    for _ in range(AGAIN_AFTER // MINUTE + 3):
        teller.look(frozenset(NAMES))
    assert all(teller.of(name)[-1] == "begun" for name in NAMES)
    for _ in range(3):
        teller.look(frozenset())
    assert all(teller.of(name)[-1] == "ended" for name in NAMES)


def test_a_single_look_is_no_news_nor_is_a_run_tried_again() -> None:
    teller = Teller()
    teller.look(frozenset(NAMES))
    teller.look(frozenset(NAMES), seconds=1)
    assert teller.told == []
    teller.look(frozenset())
    assert teller.told == []


def test_of_what_nobody_knows_nothing_is_over() -> None:
    teller = Teller()
    for _ in range(2):
        teller.look(frozenset({"behind"}))
    for _ in range(5):
        teller.look(frozenset(), frozenset({"behind"}))
    assert teller.of("behind") == ["begun"]


# -- in the table ------------------------------------------------------------------------------------
@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "deals.db")


def looked(world: World, *troubles: Trouble, after: timedelta = MINUTE) -> bool:
    world.clock.pass_time(after)
    with world.database.begin() as session:
        return note(session, troubles, TITLES, (), world.clock.now())


def listener(world: World, role: Role | None = None, **changes: object) -> int:
    now = world.clock.now()
    with world.database.begin() as session:
        person = None
        if role is not None:
            row = PersonRow(name=str(role), role=role, password_hash="-", created_at=now)
            session.add(row)
            session.flush()
            person = row.id
        return make_channel(session, now, person_id=person, **{"tells_of_service": True, **changes})


def test_what_lasts_and_its_end_are_messages_with_since_and_fix(world: World) -> None:
    channel = listener(world)
    assert [looked(world, BEHIND) for _ in range(4)] == [False, True, False, False]
    assert [looked(world) for _ in range(3)] == [False, True, False]
    begun, ended = deliveries(world.database)
    assert (begun.kind, begun.channel_id) == (MessageKind.SERVICE, channel)
    title, since, fix = (begun.body or "").splitlines()
    assert (title, fix) == ("Refreshing is behind (behind)", "What to do: look into it.")
    assert since.startswith("Since 20")
    assert since.endswith("UTC: it last succeeded an hour ago.")
    assert (ended.body or "").splitlines()[0] == "Well again: Refreshing is behind"
    assert "It lasted 4 min" in (ended.body or "")


def test_a_transaction_that_fails_has_told_nothing_and_the_next_one_does(world: World) -> None:
    listener(world)
    looked(world, BEHIND)
    world.clock.pass_time(MINUTE)
    with world.database.begin() as session:
        assert note(session, [BEHIND], TITLES, (), world.clock.now())
        session.rollback()
    assert deliveries(world.database) == []
    assert looked(world, BEHIND)
    assert len(deliveries(world.database)) == 1


def test_operators_are_told_and_neither_readers_nor_who_did_not_ask(world: World) -> None:
    operator, admin = listener(world, Role.OPERATOR), listener(world, Role.ADMIN)
    listener(world, Role.READER)
    listener(world)  # of the unnamed reader, who is nobody where there are people
    with world.database.begin() as session:
        make_channel(session, world.clock.now(), person_id=session.scalar(select(PersonRow.id).limit(1)))
    for _ in range(2):
        looked(world, BEHIND)
    assert [one.channel_id for one in deliveries(world.database)] == [operator, admin]


def test_without_listeners_nothing_is_remembered(world: World) -> None:
    number = listener(world)
    for _ in range(2):
        looked(world, BEHIND)
    with world.database.begin() as session:
        session.delete(session.get_one(service.Channel, number))
    assert not looked(world)
    with world.database.session() as session:
        assert session.scalars(select(ServiceProblem)).all() == []
        assert not service.is_heard(session)
