"""The column cache while it is made, and what it forgets."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from keepa_deals.db.models import Deal
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.kinds import EndedReason
from keepa_deals.ingest.maintenance import retention
from keepa_deals.query.cache.cache import ColumnCache
from keepa_deals.query.cache.columns import selected
from keepa_deals.query.cache.refresh import Refresher
from keepa_deals.query.left_out import LeftOut
from keepa_deals.query.parse import parse_view
from keepa_deals.query.reader import DealReader, reading
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
    cache = ColumnCache(engine, world.clock)
    cache.step()
    with engine.begin() as connection:
        connection.execute(retention._deals(world.context, now - timedelta(days=30)))
    cache.step()
    as_of = AsOf(now, FRESH)
    with reading(engine, cache, as_of) as reads:
        for status in ("all", "open", "ended"):
            view = parse_view({"status": [status]}, domain_id=1)
            assert reads.count(view) == DealReader(reads.connection, as_of).count(view)
        assert reads.count(parse_view({"status": ["all"]}, domain_id=1)) == 60
        assert reads.snapshot is not None
    cache.stop()


def test_readers_wait_for_a_cache_that_is_being_made(world: World) -> None:
    cache = ColumnCache(world.database.engine, world.clock)
    as_of, found = AsOf(world.clock.now(), FRESH), []
    cache.announce()

    def read(status: str) -> None:
        view = parse_view({"status": [status]}, domain_id=1)
        with reading(world.database.engine, cache, as_of) as reads:
            total = reads.count(view)
            found.append(
                reads.snapshot is not None and total == DealReader(reads.connection, as_of).count(view)
            )

    readers = [threading.Thread(target=read, args=(status,)) for status in ("live", "ended", "all")]
    for reader in readers:
        reader.start()
    cache.step()
    for reader in readers:
        reader.join()
    assert found == [True, True, True]
    cache.stop()


def test_readers_stop_waiting_for_a_cache_that_can_not_be_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ColumnCache(world.database.engine, world.clock)
    cache.announce()

    def fail(*_: object) -> None:
        raise ValueError("no ASIN")

    monkeypatch.setattr(Refresher, "build", fail)
    with pytest.raises(ValueError, match="no ASIN"):
        cache.step()
    assert cache.wait_for(parse_view({}, domain_id=1)) is None


def test_a_cache_made_anew_is_no_older_than_the_one_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = world.database.engine
    cache = ColumnCache(engine, world.clock)
    cache.step()
    live, told = parse_view({}, domain_id=1), []
    parts = ColumnCache._parts

    def count() -> int:
        with reading(engine, cache, AsOf(world.clock.now(), FRESH)) as reads:
            total = reads.count(live)
            assert reads.snapshot is not None
            return total

    def slowly(self: ColumnCache, connection: Connection, *, is_open: bool) -> Iterator[list[Any]]:
        yield from parts(self, connection, is_open=is_open)
        if is_open:
            world.clock.pass_time(timedelta(seconds=14))
            now = world.clock.now()
            with engine.begin() as writing:
                ended = {"ended_at": now, "ended_reason": EndedReason.PRICE_RECOVERED, "changed_at": now}
                writing.execute(update(Deal).where(Deal.ended_at.is_(None)).values(ended))
            self._keep_in_step()
            told.append(count())

    monkeypatch.setattr(ColumnCache, "_parts", slowly)
    world.clock.pass_time(timedelta(minutes=5))
    cache.step()
    assert [*told, count()] == [0, 0]
    cache.stop()


def test_what_was_followed_while_a_cache_was_made_is_not_overwritten(world: World) -> None:
    engine, now = world.database.engine, world.clock.now()
    with engine.connect() as connection:
        rows = connection.execute(select(*selected(engine.dialect.name))).all()
    ended = select(Deal.asin).where(Deal.ended_at.is_not(None)).limit(1)
    with engine.begin() as connection:
        returned = connection.scalar(ended)
        back = update(Deal).where(Deal.asin == returned)
        connection.execute(back.values(ended_at=None, ended_reason=None, last_seen_at=now, changed_at=now))
    refresher = Refresher(engine.dialect.name, now, LeftOut())
    half = [row for row in rows if row.asin != returned][:30]
    refresher.add(half)
    refresher.build()
    with engine.connect() as connection:
        refresher.refresh(connection, now)
    refresher.add([row for row in rows if row not in half])
    refresher.build()
    as_of, given_ = AsOf(now, FRESH), {"status": ["open"]}
    with engine.connect() as connection:
        expected = everything(DealReader(connection, as_of), given_)
        cached = DealReader(connection, as_of, snapshot=refresher.snapshot(is_whole=True))
        assert everything(cached, given_) == expected
