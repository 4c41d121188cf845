"""Any interleaving of callers, latencies, lost and late answers, restarts and price jumps.

The real Lua on a real Redis against the sandbox's account, which keeps Keepa's rules. The mutants that
these properties were tried against are listed in docs/token-policy.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.sandbox.account import Account
from keepa_deals.token_manager import Permission, Refusal, TokenManager
from tests.support.accounts import ManualTime, manager

PRICE_JUMP = 4
"""The stated assumption: no call costs more than four times the mean of its kind."""


@dataclass
class Call:
    """A request on its way: granted, perhaps handled by Keepa, perhaps with an answer on its way back."""

    permission: Permission
    price: int
    answer: TokenEnvelope | None = None


class SharedAccount(RuleBasedStateMachine):
    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushdb()
        self.time = ManualTime()
        self.account = Account(refill_rate=20, tokens=150, clock=self.time)
        self.managers = [self._manager() for _ in range(3)]
        self.calls: list[Call] = []
        self.lost: list[int] = []
        self.waiting: dict[int, tuple[Any, int]] = {}

    def _manager(self) -> TokenManager:
        return manager(self.client, self.time, sync=lambda: TokenEnvelope.from_json(self.account.envelope()))

    def _granted(self, permission: Permission, price: int) -> None:
        self.calls.append(Call(permission, min(price, permission.cost)))

    @rule(who=st.integers(0, 2), cost=st.integers(1, 10))
    def small(self, who: int, cost: int) -> None:
        request = self.managers[who]._exact(cost, "deal", 1, "somebody")
        answer = self._ask(who, request)
        if isinstance(answer, Permission):
            self._granted(answer, cost)

    @rule(who=st.integers(0, 2), most=st.integers(1, 100), factor=st.integers(1, PRICE_JUMP))
    def bulk(self, who: int, most: int, factor: int) -> None:
        manager = self.managers[who]
        try:
            permission = manager.request_batch("product", max_items=most, timeout=0)
        except Exception as error:
            assert "more to wait" in str(error)  # noqa: PT017
            return
        self._granted(permission, permission.items * factor)

    def _ask(self, who: int, request: Any) -> Permission | Refusal:
        manager = self.managers[who]
        answer = manager._ask(request, queue=False)
        if not isinstance(answer, Permission | Refusal):
            manager._learn_balance(answer, None)
            answer = manager._ask(request, queue=False)
        assert isinstance(answer, Permission | Refusal)
        return answer

    @precondition(lambda self: any(call.answer is None for call in self.calls))
    @rule(data=st.data())
    def keepa_handles(self, data: st.DataObject) -> None:
        """In any order. A 429 here would break the promise."""
        call = data.draw(st.sampled_from([call for call in self.calls if call.answer is None]))
        assert self.account.admit(), "429"
        call.answer = TokenEnvelope.from_json(self.account.charge(call.price))

    @precondition(lambda self: any(call.answer for call in self.calls))
    @rule(data=st.data())
    def answer_arrives(self, data: st.DataObject) -> None:
        """In any order, and late."""
        call = data.draw(st.sampled_from([call for call in self.calls if call.answer]))
        self.calls.remove(call)
        assert call.answer is not None
        call.permission.settle(call.answer)

    @precondition(lambda self: any(call.answer for call in self.calls))
    @rule(data=st.data())
    def answer_is_lost(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from([call for call in self.calls if call.answer]))
        self.calls.remove(call)
        call.permission.__exit__(None, None, None)

    @precondition(lambda self: any(call.answer is None for call in self.calls))
    @rule(data=st.data())
    def call_was_never_sent(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from([call for call in self.calls if call.answer is None]))
        self.calls.remove(call)
        call.permission.release()

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        """Not longer than a call may take while one is unanswered: 120 s is the stated limit."""
        if not any(call.answer is None for call in self.calls):
            self.time.sleep(seconds)

    @precondition(lambda self: not self.calls)
    @rule(minutes=st.integers(1, 200))
    def a_long_time_passes(self, minutes: int) -> None:
        self.time.sleep(minutes * 60)

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
        if snapshot is None or self.client.hget(self.managers[0]._keys[0], "doubt") == "1":
            return  # nothing is granted before Keepa has been asked
        unhandled = sum(call.price for call in self.calls if call.answer is None)
        assert snapshot.available <= self.account.tokens_left - unhandled

    @invariant()
    def reservations_are_those_of_the_calls_in_flight(self) -> None:
        snapshot = self.managers[0].snapshot()
        if snapshot is not None:
            assert snapshot.reserved >= sum(c.permission.cost for c in self.calls if c.answer is None)


def test_the_balance_is_never_overestimated_and_keepa_never_refuses(real_redis: redis.Redis) -> None:
    machine = type("Machine", (SharedAccount,), {"client": real_redis})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.parametrize("rate", [5, 20, 25, 60, 250])
def test_the_upserter_waits_at_most_a_tick_beside_a_greedy_backfiller(
    real_redis: redis.Redis, rate: int
) -> None:
    """Two simulated hours at each plan, the bucket drained by bulk whenever it may."""
    real_redis.flushdb()
    time = ManualTime()
    account = Account(refill_rate=rate, clock=time)
    tokens = manager(real_redis, time, sync=lambda: TokenEnvelope.from_json(account.envelope()))
    interval = 300 if rate == 5 else 60
    longest = 0.0
    for _ in range(2 * 3600 // interval):
        began = time.ms
        permission = tokens.request_permission_for_call(5, kind="deal", task="update_recent_deals")
        longest = max(longest, (time.ms - began) / 1000)
        assert account.admit()
        permission.settle(TokenEnvelope.from_json(account.charge(5)))
        while time.ms < began + interval * 1000:
            batch = _bulk(tokens)
            if batch is None:
                time.sleep(5)
                continue
            assert account.admit()
            time.sleep(1)
            batch.settle(TokenEnvelope.from_json(account.charge(batch.items)))
    assert longest <= 60.5
    assert account.statistics().rejected_429 == 0


def _bulk(tokens: TokenManager) -> Permission | None:
    try:
        return tokens.request_batch("product", max_items=100, timeout=0)
    except Exception as error:
        assert "more to wait" in str(error)  # noqa: PT017
        return None
