"""Eight processes on one bucket: nobody is granted what is not there, and no small one goes away empty."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import redis

from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.token_manager import Permission, Policy, TokenManager
from tests.support.accounts import START_MS

PROCESSES = 8
SECONDS = 3.0
RATE, TICK = 50, 0.25
START = 3000


def _spend(url: str, small: bool, ready: Barrier, results: Queue[tuple[bool, int, int]]) -> None:
    """Grab whatever is granted, and never give anything back: the worst that a process can do."""
    tokens = TokenManager(redis.Redis.from_url(url, decode_responses=True), account="a", policy=_policy())
    spent = grants = 0
    ready.wait()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        answer = tokens.try_acquire(5 if small else 20, task="somebody")
        if isinstance(answer, Permission):
            spent += answer.cost
            grants += 1
    results.put((small, spent, grants))


def _policy() -> Policy:
    return Policy(tick_seconds=TICK, call_seconds=3600)


def test_eight_processes_never_get_more_than_there_is(real_redis: redis.Redis) -> None:
    tokens = TokenManager(real_redis, account="a", policy=_policy())
    connection = real_redis.connection_pool.connection_kwargs
    url = f"redis://{connection['host']}:{connection['port']}/0"
    context = multiprocessing.get_context("spawn")
    results: Queue[tuple[bool, int, int]] = context.Queue()
    ready = context.Barrier(PROCESSES)
    tokens.update_after_call(TokenEnvelope(START_MS, START, int(TICK * 1000), RATE, 0.0, 0, 1))
    began = time.monotonic()
    workers = [
        context.Process(target=_spend, args=(url, number % 2 == 0, ready, results))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
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
    assert all(grants > 0 for small, _, grants in found if small)
