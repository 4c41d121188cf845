"""The copy while it is made, and what it forgets."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from keepa_deals.db.models import Deal
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.maintenance import retention
from keepa_deals.query import reader as deal_reader
from keepa_deals.query.cache.cache import Reading, Replica, reading
from keepa_deals.query.cache.columns import selected
from keepa_deals.query.cache.refresh import Follower
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.parse import parse_view
from keepa_deals.query.reader import Moment
from tests.integration.query.test_cache_equals_database import FRESH, everything
from tests.support.deal_rows import fill_deals, make_row
from tests.support.world import World, make_world


@pytest.fixture
def world(empty_dsn: str) -> Iterator[World]:
    world = make_world(empty_dsn)
    fill_deals(world.database.engine, 60, world.clock.now())
    yield world
    world.database.close()


def test_deals_that_the_janitor_deleted_are_counted_no_more(world: World) -> None:
    engine, now, source = world.database.engine, world.clock.now(), random.Random(2)
    long_ago = now - timedelta(days=40)
    with engine.begin() as connection:
        connection.execute(insert(Deal), [make_row(source, number, long_ago) for number in range(100, 150)])
    replica = Replica(engine, world.clock)
    replica.step()
    with engine.begin() as connection:
        connection.execute(retention._deals(now - timedelta(days=30)))
    replica.step()
    moment = Moment(now, FRESH)
    with reading(engine, replica) as reads:
        for status in ("all", "open", "ended"):
            view = parse_view({"status": [status]}, domain_id=1)
            assert deal_reader.count(reads, view, moment) == deal_reader.count(reads.connection, view, moment)
        assert deal_reader.count(reads, parse_view({"status": ["all"]}, domain_id=1), moment) == 60
        assert reads.look is not None
    replica.stop()


def test_readers_wait_for_a_copy_that_is_being_made(world: World) -> None:
    replica = Replica(world.database.engine, world.clock)
    moment, found = Moment(world.clock.now(), FRESH), []
    replica.announce()

    def read(status: str) -> None:
        view = parse_view({"status": [status]}, domain_id=1)
        with reading(world.database.engine, replica) as reads:
            total = deal_reader.count(reads, view, moment)
            found.append(
                reads.look is not None and total == deal_reader.count(reads.connection, view, moment)
            )

    readers = [threading.Thread(target=read, args=(status,)) for status in ("live", "ended", "all")]
    for reader in readers:
        reader.start()
    replica.step()
    for reader in readers:
        reader.join()
    assert found == [True, True, True]
    replica.stop()


def test_readers_stop_waiting_for_a_copy_that_can_not_be_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Replica(world.database.engine, world.clock)
    replica.announce()

    def fail(*_: object) -> None:
        raise ValueError("no ASIN")

    monkeypatch.setattr(Follower, "build", fail)
    with pytest.raises(ValueError, match="no ASIN"):
        replica.step()
    assert replica.wait_for(parse_view({}, domain_id=1)) is None


def test_a_copy_made_anew_is_no_older_than_the_one_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = world.database.engine
    replica = Replica(engine, world.clock)
    replica.step()
    live, told = parse_view({}, domain_id=1), []
    parts = Replica._parts

    def count() -> int:
        with reading(engine, replica) as reads:
            total = deal_reader.count(reads, live, Moment(world.clock.now(), FRESH))
            assert reads.look is not None
            return total

    def slowly(self: Replica, connection: Connection, *, is_open: bool) -> Iterator[list[Any]]:
        yield from parts(self, connection, is_open=is_open)
        if is_open:
            world.clock.pass_time(timedelta(seconds=14))
            now = world.clock.now()
            with engine.begin() as writing:
                ended = {"ended_at": now, "ended_reason": EndedReason.PRICE_RECOVERED, "changed_at": now}
                writing.execute(update(Deal).where(Deal.ended_at.is_(None)).values(ended))
            self._keep_in_step()
            told.append(count())

    monkeypatch.setattr(Replica, "_parts", slowly)
    world.clock.pass_time(timedelta(minutes=5))
    replica.step()
    assert [*told, count()] == [0, 0]
    replica.stop()


def test_what_was_followed_while_a_copy_was_made_is_not_overwritten(world: World) -> None:
    engine, now = world.database.engine, world.clock.now()
    with engine.connect() as connection:
        rows = connection.execute(select(*selected(engine.dialect.name))).all()
    ended = select(Deal.asin).where(Deal.ended_at.is_not(None)).limit(1)
    with engine.begin() as connection:
        returned = connection.scalar(ended)
        back = update(Deal).where(Deal.asin == returned)
        connection.execute(back.values(ended_at=None, ended_reason=None, last_seen_at=now, changed_at=now))
    follower = Follower(engine.dialect.name, now, LeftOut())
    half = [row for row in rows if row.asin != returned][:30]
    follower.add(half)
    follower.build()
    with engine.connect() as connection:
        follower.follow(connection, now)
    follower.add([row for row in rows if row not in half])
    follower.build()
    moment, given_ = Moment(now, FRESH), {"status": ["open"]}
    with engine.connect() as connection:
        expected = everything(connection, given_, moment)
        assert everything(Reading(connection, follower.look(is_whole=True)), given_, moment) == expected
