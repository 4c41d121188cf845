"""What operators are told of, from a look at a real Redis and database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from keepa_deals.db.models import MessageKind
from keepa_deals.health.operators import tell, tell_operators
from keepa_deals.ingest.upsert import run as upsert
from tests.support import health_reports as reports
from tests.support.alerts import deliveries, make_channel
from tests.support.world import World, make_world

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(empty_dsn: str, real_redis: redis.Redis) -> Iterator[World]:
    """A world on a database of either kind, with a channel that is told of the service."""
    port = real_redis.get_connection_kwargs()["port"]
    world = make_world(empty_dsn, database_url=empty_dsn, redis_url=f"redis://127.0.0.1:{port}/0")
    with world.database.begin() as session:
        make_channel(session, world.clock.now(), tells_of_service=True)
    yield world
    world.database.close()


def titles(world: World) -> list[str]:
    assert {one.kind for one in deliveries(world.database)} <= {MessageKind.SERVICE}
    return [(one.body or "").partition("\n")[0] for one in deliveries(world.database)]


def test_an_upserter_that_is_behind_is_told_and_that_it_caught_up(world: World) -> None:
    upsert.run(world.context)
    tell_operators(world.context)
    assert titles(world) == []
    world.clock.pass_time(timedelta(hours=1))
    for _ in range(3):
        world.clock.pass_time(MINUTE)
        tell_operators(world.context)
    assert titles(world) == ["Refreshing is behind (upserter_behind)"]
    upsert.run(world.context)
    for _ in range(3):
        world.clock.pass_time(MINUTE)
        tell_operators(world.context)
    assert titles(world)[1:] == ["Well again: Refreshing is behind"]


def test_looks_at_the_same_time_tell_it_once(world: World) -> None:
    behind = reports.healthy(jobs=reports.jobs(reports.job(last_success_at=reports.ago(hours=1))))
    tell(world.context, behind)
    world.clock.pass_time(MINUTE)
    start = threading.Barrier(6)

    def look() -> None:
        start.wait()
        tell(world.context, behind)

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(titles(world)) == 1
