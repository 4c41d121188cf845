"""Any interleaving of callers, latencies, lost and late answers, restarts, new plans and price jumps.

The real Lua on a real Redis against an account that keeps Keepa's rules and whose ticks come late, under a
clock that the test turns. ``tests/benchmarks/token_mutants.py`` plants a bug of each kind and shows that it
is found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from keepa_deals.jobs import UPSERT_JOB
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.token_manager import Denied, Policy, Reservation, TokenManager, TokenRequest, TokenSnapshot
from tests.support.accounts import PERIOD, SLACK, ManualTime, call_of, manager
from tests.support.nightly import amount
from tests.support.ticking import TickingAccount, as_recorded, steady

PRICE_JUMP = 4
"""The stated assumption: no call costs more than four times the mean of its kind."""
POLICY = Policy()
TICK = POLICY.tick_seconds
LATE = 2 * SLACK
"""By how much a tick is taken late, and bulk comes later still."""
UPSERT_TOKENS = 5


@dataclass
class Call:
    """A request on its way: granted, perhaps handled by Keepa, perhaps with an answer on its way back."""

    reservation: Reservation
    price: int
    granted_ms: int
    answer: TokenEnvelope | None = None


@dataclass
class Waiter:
    """A request in the queue: when it came, when it will ask again, and by when it must have been granted."""

    request: Any
    price: int
    since_ms: int
    wakes_ms: int
    promised_ms: float
    place: int


class SharedAccount(RuleBasedStateMachine):
    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushdb()
        self.time = ManualTime()
        self.calls: list[Call] = []
        self.waiting: list[Waiter] = []
        self.places = 0
        self.upserted_ms = -math.inf

    @initialize(
        tokens=st.sampled_from([0, 3, 40, 49, 150, 1200]), late=st.integers(0, 300), seed=st.integers(0, 99)
    )
    def account_is_opened(self, tokens: int, late: int, seed: int) -> None:
        """Ticks are late, each by the same and up to a tenth of a second more."""
        moment = steady(late, jitter=100, seed=seed)
        self.account = TickingAccount(20, self.time, tokens=tokens, moment=moment)
        self.managers = [self._manager() for _ in range(3)]

    def _manager(self) -> TokenManager:
        return manager(self.client, self.time, sync=self.account.answer)

    # -- asking ------------------------------------------------------------------------------
    @rule(who=st.integers(0, 2), cost=st.integers(1, 10), patient=st.booleans())
    def small(self, who: int, cost: int, patient: bool) -> None:
        self._request(who, cost, "somebody", cost, patient)

    @rule(who=st.integers(0, 2), cost=st.integers(11, 60), patient=st.booleans())
    def big(self, who: int, cost: int, patient: bool) -> None:
        self._request(who, cost, "backfill_deals", cost, patient)

    @precondition(lambda self: self.time.ms - self.upserted_ms >= TICK * 1000)
    @rule(who=st.integers(0, 2))
    def upserter(self, who: int) -> None:
        """At most once a minute, as its schedule is."""
        self.upserted_ms = self.time.ms
        self._request(who, UPSERT_TOKENS, UPSERT_JOB.name, UPSERT_TOKENS, patient=True)

    def _request(self, who: int, cost: int, task: str, price: int, patient: bool) -> None:
        manager = self.managers[who]
        request = call_of(manager, cost, kind="deal" if cost <= 10 else "query", task=task)
        before = self._known(manager)
        answer = manager.bucket.poll(request, queue=patient)
        if isinstance(answer, Reservation):
            self._granted(answer, price, before)
        elif patient:
            wakes = self.time.ms + round(answer.nap * 1000)
            bound = self.time.ms + self._bound(request, before) * 1000
            self.places += 1
            self.waiting.append(Waiter(request, price, self.time.ms, wakes, bound, self.places))

    @rule(who=st.integers(0, 2), most=st.integers(1, 100), factor=st.integers(1, PRICE_JUMP))
    def batch(self, who: int, most: int, factor: int) -> None:
        manager = self.managers[who]
        before = self._known(manager)
        request = TokenRequest.for_batch("product", max_items=most)
        answer = manager.bucket.poll(request, queue=False)
        if isinstance(answer, Reservation):
            self._granted(answer, answer.items * factor, before)

    def _known(self, manager: TokenManager) -> TokenSnapshot:
        """The account as everybody sees it, after Keepa was asked if need be."""
        snapshot = manager.snapshot()
        age = (snapshot.now - snapshot.as_of).total_seconds() if snapshot else 0
        if snapshot is None or snapshot.in_doubt or age > (300 if snapshot.is_deep else 3600):
            manager.update_after_call(self.account.answer())
            snapshot = manager.snapshot()
        assert snapshot is not None
        return snapshot

    # -- what the policy promises ------------------------------------------------------------
    def _granted(self, reservation: Reservation, price: int, before: TokenSnapshot) -> None:
        if reservation.lane == "bulk":
            self._bulk_keeps_to_the_policy(reservation, before)
        else:
            assert before.available >= price
            assert reservation.cost >= price
        self.calls.append(Call(reservation, min(price, reservation.cost), self.time.ms))

    def _bulk_keeps_to_the_policy(self, reservation: Reservation, before: TokenSnapshot) -> None:
        ceiling = before.capacity - before.refill
        bound = POLICY.target if before.recovering else POLICY.threshold
        assert before.balance >= min(bound, ceiling)
        learned = before.prices.get(reservation.kind)
        worst = max(4 * learned.mean, learned.worst) if learned else 4 if reservation.kind == "product" else 0
        assert reservation.cost >= math.floor(min(reservation.items * worst, before.capacity))
        page = before.prices.get("deal")
        reserve = max(UPSERT_TOKENS, page.worst if page else 0) * 2 + before.foreign
        if reservation.kind == "product" and reservation.items > 1:
            assert before.available - reservation.cost >= reserve - 1  # its cost is rounded up
        else:
            assert before.available >= min(reserve, ceiling)

    def _bound(self, request: Any, before: TokenSnapshot) -> float:
        """Seconds within which docs/token-policy.md promises the grant; it was asked for just now.

        What is in flight is reserved, though Keepa may have charged it already, until its answer comes or
        its time is over.
        """
        if request.lane == "upsert":
            in_flight = POLICY.call_seconds if before.reserved else 0
            ahead = sum(w.price for w in self.waiting if w.request.lane == "upsert")
            return PERIOD * math.ceil((ahead + UPSERT_TOKENS) / before.refill) + in_flight + LATE
        in_flight = 2 * POLICY.call_seconds
        share = before.refill * POLICY.small_share_percent / 100 - UPSERT_TOKENS
        if request.lane == "small":
            ahead = sum(w.price for w in self.waiting if w.request.lane == "small") + UPSERT_TOKENS
            return PERIOD * (math.ceil((ahead + request.price) / share) + 1) + in_flight + LATE
        learned = before.prices.get("query")
        query = max(60, 4 * learned.mean, learned.worst) if learned else 60
        ahead = query * sum(w.request.lane == "bulk" for w in self.waiting)
        left = min(before.refill * (1 - POLICY.small_share_percent / 100), before.refill - UPSERT_TOKENS)
        need = max(POLICY.target, query + 2 * 10 + before.foreign)
        return PERIOD * (math.ceil((need + ahead) / left) + 1 + len(self.waiting)) + in_flight + LATE

    # -- what Keepa and the network do -------------------------------------------------------
    @precondition(lambda self: any(call.answer is None for call in self.calls))
    @rule(data=st.data())
    def keepa_handles(self, data: st.DataObject) -> None:
        """In any order. A 429 here would break the promise."""
        self._handle(data.draw(st.sampled_from([call for call in self.calls if call.answer is None])))

    def _handle(self, call: Call) -> None:
        assert self.account.admit(), "429"
        call.answer = self.account.answer(call.price)

    @precondition(lambda self: any(call.answer for call in self.calls))
    @rule(data=st.data())
    def answer_arrives(self, data: st.DataObject) -> None:
        """In any order, and late."""
        call = data.draw(st.sampled_from([call for call in self.calls if call.answer]))
        self.calls.remove(call)
        assert call.answer is not None
        call.reservation.settle(call.answer)
        self._woken()

    @precondition(lambda self: any(call.answer for call in self.calls))
    @rule(data=st.data())
    def answer_is_lost(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from([call for call in self.calls if call.answer]))
        self.calls.remove(call)
        call.reservation.__exit__(None, None, None)
        self._woken()

    @precondition(lambda self: any(call.answer is None for call in self.calls))
    @rule(data=st.data())
    def call_was_never_sent(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from([call for call in self.calls if call.answer is None]))
        self.calls.remove(call)
        call.reservation.release()
        self._woken()

    # -- time --------------------------------------------------------------------------------
    @rule(seconds=st.sampled_from([0.001, 0.5, 5, 40]))
    def time_passes(self, seconds: float) -> None:
        """Not longer than a call may take while one is unanswered: 120 s is the stated limit."""
        oldest = min((c.granted_ms for c in self.calls if c.answer is None), default=self.time.ms)
        if self.time.ms + seconds * 1000 - oldest < POLICY.call_seconds * 1000:
            self._pass(seconds)

    @precondition(lambda self: not self.calls)
    @rule(minutes=st.integers(1, 200))
    def a_long_time_passes(self, minutes: int) -> None:
        self._pass(minutes * 60)

    def _pass(self, seconds: float) -> None:
        """Time passes; whoever wakes up on the way asks again, in the order of waking."""
        end = self.time.ms + round(seconds * 1000)
        while awake := [w for w in self.waiting if w.wakes_ms <= end]:
            waiter = min(awake, key=lambda w: (w.wakes_ms, w.place))
            self.time.ms = max(self.time.ms, waiter.wakes_ms)
            self._wakes(waiter)
        self.time.ms = end

    def _woken(self) -> None:
        """Who was woken before its time asks again at once."""
        for waiter in sorted(self.waiting, key=lambda w: w.place):
            if self.client.lpop(self.managers[0].bucket.wake_key(waiter.request)):
                self._wakes(waiter)

    def _wakes(self, waiter: Waiter) -> None:
        manager = self.managers[0]
        before = self._known(manager)
        answer = manager.bucket.poll(waiter.request, queue=True)
        if isinstance(answer, Denied):
            waiter.wakes_ms = self.time.ms + max(1, round(answer.nap * 1000))
            assert waiter.wakes_ms <= waiter.promised_ms + TICK * 1000, f"{waiter} waits too long"
            return
        assert isinstance(answer, Reservation)
        assert self.time.ms <= waiter.promised_ms, f"{waiter} was granted too late"
        lane = [w for w in self.waiting if w.request.lane == waiter.request.lane]
        assert waiter.place == min(w.place for w in lane), "out of order"
        self.waiting.remove(waiter)
        self._granted(answer, waiter.price, before)
        self._handle(self.calls[-1])

    # -- the rest of the world ---------------------------------------------------------------
    @rule(rate=st.sampled_from([20, 60, 250]))
    def plan_grows(self, rate: int) -> None:
        if rate > self.account.capacity // 60:
            self.account.set_refill_rate(rate)

    @rule(who=st.integers(0, 2))
    def process_restarts(self, who: int) -> None:
        self.managers[who] = self._manager()

    @invariant()
    def never_more_than_keepa_has(self) -> None:
        snapshot = self.managers[0].snapshot()
        if snapshot is None or snapshot.in_doubt:
            return  # nothing is granted before Keepa has been asked
        unhandled = sum(call.price for call in self.calls if call.answer is None)
        assert snapshot.available <= self.account.tokens_left - unhandled

    @invariant()
    def reservations_are_those_of_the_calls_in_flight(self) -> None:
        snapshot = self.managers[0].snapshot()
        if snapshot is not None:
            assert snapshot.reserved >= sum(c.reservation.cost for c in self.calls if c.answer is None)

    @invariant()
    def all_who_wait_are_in_the_queue(self) -> None:
        snapshot = self.managers[0].snapshot()
        if snapshot is not None:
            small = sum(w.request.lane != "bulk" for w in self.waiting)
            assert (snapshot.small.waiting, snapshot.bulk.waiting) == (small, len(self.waiting) - small)


def test_the_balance_is_never_overestimated_and_keepa_never_refuses(real_redis: redis.Redis) -> None:
    machine = type("Machine", (SharedAccount,), {"client": real_redis})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=amount(80, at_night=600),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.parametrize("rate", [5, 20, 25, 60, 250])
def test_the_upserter_waits_at_most_a_tick_beside_a_greedy_backfiller(
    real_redis: redis.Redis, rate: int
) -> None:
    """Two simulated hours at each plan, ticks as recorded, the bucket drained by bulk whenever it may."""
    real_redis.flushdb()
    time = ManualTime()
    account = TickingAccount(rate, time, moment=as_recorded(rate))
    tokens = manager(real_redis, time, sync=account.answer)
    interval = 300 if rate == 5 else 60
    longest = 0.0
    for _ in range(2 * 3600 // interval):
        began = time.ms
        reservation = tokens.request_permission_for_call(5, kind="deal", task="update_recent_deals")
        longest = max(longest, (time.ms - began) / 1000)
        assert account.admit()
        reservation.settle(account.answer(5))
        while time.ms < began + interval * 1000:
            batch = _bulk(tokens)
            if batch is None:
                time.sleep(5)
                continue
            assert account.admit()
            time.sleep(1)
            batch.settle(account.answer(batch.items))
    assert longest <= PERIOD + SLACK
    assert account.rejected == 0
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert snapshot.foreign_at is None


def _bulk(tokens: TokenManager) -> Reservation | None:
    try:
        return tokens.request_batch("product", max_items=100, timeout=0)
    except Exception as error:
        assert "more to wait" in str(error)  # noqa: PT017
        return None
