"""Eight processes on one bucket: nobody gets what is not there, small goes first, each lane has its order."""

from __future__ import annotations

import json
import multiprocessing
import time
from itertools import pairwise
from multiprocessing.context import ForkServerContext
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import redis

from keepa_deals import redis_store
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.token_manager import Policy, Reservation, TokenManager
from tests.support.accounts import START_MS
from tests.support.nightly import amount

PROCESSES = 8
SECONDS = amount(1, at_night=3)
RATE, TICK = 50, 0.25
START = 3000


def _spend(url: str, small: bool, ready: Barrier, results: Queue[tuple[bool, int, int]]) -> None:
    """Grab whatever is granted, and never give anything back: the worst that a process can do."""
    tokens = TokenManager(redis.Redis.from_url(url, decode_responses=True), account="a", policy=_policy())
    spent = grants = 0
    ready.wait()  # all are there …
    ready.wait()  # … and the balance is known
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        answer = tokens.try_acquire(5 if small else 20, task="somebody")
        if isinstance(answer, Reservation):
            spent += answer.cost
            grants += 1
    results.put((small, spent, grants))


def _forkserver() -> ForkServerContext:
    """Its processes load the service once for all of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keepa_deals.token_manager"])
    return context


def _policy() -> Policy:
    return Policy(tick_seconds=TICK, call_seconds=3600)


def test_eight_processes_never_get_more_than_there_is(real_redis: redis.Redis) -> None:
    tokens = TokenManager(real_redis, account="a", policy=_policy())
    connection = real_redis.connection_pool.connection_kwargs
    url = f"redis://{connection['host']}:{connection['port']}/0"
    context = _forkserver()
    results: Queue[tuple[bool, int, int]] = context.Queue()
    ready = context.Barrier(PROCESSES + 1)
    workers = [
        context.Process(target=_spend, args=(url, number % 2 == 0, ready, results))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.monotonic()
    tokens.update_after_call(TokenEnvelope(START_MS, START, int(TICK * 1000), RATE, 0.0, 0, 1))
    ready.wait()
    found = [results.get(timeout=60) for _ in workers]
    elapsed = time.monotonic() - began
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    spent = sum(tokens for _, tokens, _ in found)
    generated = RATE * int(elapsed / TICK)
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert START * 0.9 <= spent <= START + generated
    assert snapshot.reserved == spent
    assert snapshot.available >= 0


GRANTED = "    save(s, id, cmsgpack.pack(reserve, expiry, items))\n"
NOTED = """
    redis.call('RPUSH', 'granted', cjson.encode({ lane = lane_name, cost = reserve, place = NOTE.place,
        available = s.available, promised = NOTE.promised }))
"""
"""What the test adds to the script at a grant: the order of the grants is known to Redis alone."""


def _noting(text: str) -> str:
    """The script of an acquire that notes each grant in the list ``granted``."""
    assert text.count(GRANTED) == 1
    text = text.replace(GRANTED, GRANTED + NOTED).replace(
        "local function grant", "local NOTE = {}\nlocal function grant"
    )
    turn = "if s.available >= need and not limited and my_turn(place) then"
    assert text.count(turn) == 1
    note = (
        "NOTE = { place = tonumber(place or nil), promised = is_bulk and promised(s, bulk_waits) or nil }\n"
    )
    return text.replace(turn, note + turn)


def _queue_up(url: str, small: bool, ready: Barrier) -> None:
    """Ask and wait like the service does, and never give anything back."""
    source = redis_store.script_text
    redis_store.script_text = lambda name: _noting(source(name)) if name == "tokens_acquire" else source(name)
    client = redis.Redis.from_url(url, decode_responses=True)
    tokens = TokenManager(client, account="a", policy=_policy())
    ready.wait()  # all are there …
    ready.wait()  # … and the balance is known
    end = time.monotonic() + SECONDS
    while (left := end - time.monotonic()) > 0:
        try:
            tokens.request_permission_for_call(5 if small else 20, task="somebody", timeout=left)
        except TokensUnavailableError:
            return


def test_small_requests_go_first_and_each_lane_keeps_its_order(real_redis: redis.Redis) -> None:
    rate, start = 1250, 1000
    tokens = TokenManager(real_redis, account="a", policy=_policy())
    connection = real_redis.connection_pool.connection_kwargs
    url = f"redis://{connection['host']}:{connection['port']}/0"
    context = _forkserver()
    ready = context.Barrier(PROCESSES + 1)
    workers = [
        context.Process(target=_queue_up, args=(url, number % 2 == 0, ready)) for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.monotonic()
    tokens.update_after_call(TokenEnvelope(START_MS, start, int(TICK * 1000), rate, 0.0, 0, 1))
    ready.wait()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    generated = rate * int((time.monotonic() - began) / TICK)
    grants = [json.loads(note) for note in real_redis.lrange("granted", 0, -1)]
    by_lane = {lane: [g for g in grants if g["lane"] == lane] for lane in ("small", "bulk")}
    assert len(grants) > 100
    assert sum(g["cost"] for g in grants) <= start + generated
    for granted in by_lane.values():
        places = [g["place"] for g in granted if g.get("place") is not None]
        assert len(places) > 20
        assert all(earlier < later for earlier, later in pairwise(places))
    assert all(g["available"] >= g["promised"] for g in by_lane["bulk"])
    spent = {lane: sum(g["cost"] for g in granted) for lane, granted in by_lane.items()}
    assert spent["bulk"] >= (spent["bulk"] + spent["small"]) * 0.2, "bulk has a quarter of the refill"
