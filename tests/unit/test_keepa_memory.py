"""What processes remember of Keepa together, and alone while Redis is away."""

from __future__ import annotations

import fakeredis
import pytest
import redis

from keepa_deals.keepa.call_memory import FORGOTTEN_AFTER, MAX_REJECTED, LocalMemory
from keepa_deals.keepa_memory import SharedMemory
from keepa_deals.redis_store import Keys

KEYS = Keys("test")


@pytest.fixture
def client() -> redis.Redis:
    return fakeredis.FakeRedis(decode_responses=True)


def test_a_rejected_asin_is_known_to_other_processes_for_a_day(client: redis.Redis) -> None:
    SharedMemory(client, KEYS).reject("B000000001")
    assert SharedMemory(client, KEYS).rejected() == {"B000000001"}
    assert 0 < client.ttl(KEYS.rejected_asins) <= FORGOTTEN_AFTER
    client.zadd(KEYS.rejected_asins, {"B000000001": client.time()[0] - FORGOTTEN_AFTER - 1})
    assert SharedMemory(client, KEYS).rejected() == set()


def test_no_more_than_the_newest_thousand_are_kept(client: redis.Redis) -> None:
    client.zadd(KEYS.rejected_asins, {f"B{n:09}": client.time()[0] - 1 for n in range(MAX_REJECTED)})
    SharedMemory(client, KEYS).reject("BNEWEST001")
    found = SharedMemory(client, KEYS).rejected()
    assert (len(found), "BNEWEST001" in found) == (MAX_REJECTED, True)


def test_a_pause_holds_for_all_and_ends_by_itself(client: redis.Redis) -> None:
    assert SharedMemory(client, KEYS).paused() == 0
    SharedMemory(client, KEYS).pause(30)
    assert 29 < SharedMemory(client, KEYS).paused() <= 30
    client.delete(KEYS.pause)
    assert SharedMemory(client, KEYS).paused() == 0


def test_without_redis_a_process_remembers_by_itself() -> None:
    server = fakeredis.FakeServer()
    server.connected = False
    memory = SharedMemory(fakeredis.FakeRedis(server=server, decode_responses=True), KEYS)
    memory.reject("B000000001")
    memory.pause(30)
    assert memory.rejected() == {"B000000001"}
    assert 29 < memory.paused() <= 30


def test_a_memory_of_one_process_forgets_and_is_bounded() -> None:
    now = [0.0]
    memory = LocalMemory(lambda: now[0])
    for number in range(MAX_REJECTED + 1):
        memory.reject(f"B{number:09}")
    assert len(memory.rejected()) == MAX_REJECTED
    assert "B000000000" not in memory.rejected()
    memory.pause(30)
    memory.pause(5)
    assert memory.paused() == 30
    now[0] = FORGOTTEN_AFTER
    assert (memory.rejected(), memory.paused()) == (set(), 0.0)
