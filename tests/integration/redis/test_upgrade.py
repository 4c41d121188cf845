"""What the version before left in Redis, under the code of today: it is believed, not learned anew."""

from __future__ import annotations

import importlib
import inspect
import json
from datetime import UTC, datetime

import pytest
import redis

from keepa_deals.call_log import read_answers
from keepa_deals.health.parts import beat
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa_memory import SharedMemory
from keepa_deals.locks import SingleFlightLock, read_holder
from keepa_deals.redis_store import Keys
from keepa_deals.worker.messages import cleaned
from tests.support.accounts import START_MS, ManualTime, envelope, manager
from tests.support.upgrade.recorded import VERSIONS, OldVersion

KEYS = Keys()
pytestmark = pytest.mark.parametrize("version", VERSIONS, ids=str)


@pytest.fixture
def old_redis(real_redis: redis.Redis, version: OldVersion) -> redis.Redis:
    """The session's Redis with what that version left, and nothing else."""
    version.restore_redis(real_redis)
    return real_redis


def nobody_asks() -> TokenEnvelope:
    pytest.fail("Keepa was asked for the balance: the account's record was not believed")


def test_the_account_is_known_with_its_reservation_and_its_prices(old_redis: redis.Redis) -> None:
    """Keepa told 300, less 15 at the last answer; a page of 5 tokens was under way, and nobody else waits."""
    time = ManualTime()
    time.ms = START_MS + 3000
    tokens = manager(old_redis, time, sync=nobody_asks)
    before = tokens.snapshot()
    assert before is not None
    assert (before.balance, before.reserved, before.reservations) == (285, 5, 1)
    assert (before.available, before.refill_rate, before.in_doubt) == (280, 20, False)
    price = before.prices["product"]
    assert (round(price.mean, 2), price.worst) == (1.35, 1.5)
    permission = tokens.request_permission_for_call(5, kind="deal")
    tokens.update_after_call(envelope(275, rate=20, at=time.ms, consumed=5), permission)
    after = tokens.snapshot()
    assert after is not None
    assert (after.balance, after.reserved) == (275, 5)
    time.ms += 600_000  # the old worker's call never ended: its reservation lapses as it always did
    lapsed = tokens.snapshot()
    assert lapsed is not None
    assert (lapsed.reserved, lapsed.in_doubt) == (0, True)


def test_the_lock_of_a_worker_elsewhere_holds(old_redis: redis.Redis) -> None:
    key = KEYS.lock("update_recent_deals_lock")
    holder = read_holder(old_redis, key)
    assert holder is not None
    assert (holder.host, holder.pid, holder.is_dead) == ("another-host", 4242, False)
    assert holder.ttl is not None
    assert holder.ttl <= 45
    assert SingleFlightLock(old_redis, key).acquire() is False


def test_the_lock_of_a_process_that_is_gone_is_free(old_redis: redis.Redis) -> None:
    key = KEYS.lock("backfill_deals_lock")
    holder = read_holder(old_redis, key)
    assert holder is not None
    assert holder.is_dead
    lock = SingleFlightLock(old_redis, key)
    assert lock.acquire() is True
    assert lock.release() is True


def test_what_keepa_said_of_late_is_remembered(old_redis: redis.Redis, version: OldVersion) -> None:
    memory = SharedMemory(old_redis, KEYS)
    assert set(memory.rejected()) == {"B0BADBADXX"}
    assert 60 < memory.paused() <= 120
    last_tick = beat.read(old_redis, KEYS)
    assert last_tick is not None
    said = read_answers(old_redis, KEYS, last_tick)
    assert said.counts == {("/deal", "200"): 2, ("/deal", "429"): 1, ("/deal", "500"): 1}
    assert said.failures_in_row == {"/deal": 1}
    assert (said.last["/deal"].result, said.last_good["/deal"].result) == ("500", "200")
    assert said.last["/deal"].tokens == 5
    since = datetime.fromtimestamp(int(old_redis.hget(KEYS.metrics, "since")) / 1000, UTC)
    assert (last_tick - since).total_seconds() == 3600
    assert int(old_redis.hget(KEYS.metrics, "grants|bulk")) == 2


def test_the_messages_that_wait_are_taken(old_redis: redis.Redis) -> None:
    def signature_of(name: str) -> inspect.Signature:
        module, _, function = name.rpartition(".")
        assert function in dir(importlib.import_module(module)), name
        return inspect.Signature()

    found = []
    for queue in ("upsert", "backfill"):
        (waiting,) = old_redis.lrange(KEYS.queue(queue), 0, -1)
        found.append(cleaned(json.loads(waiting), queue, signature_of)["headers"]["task"])
    assert found == ["keepa_deals.simple_task.update_recent_deals", "keepa_deals.backfiller.backfill_deals"]
