"""An account that tells no balance: Amazon's usage plans, on a real Redis and under the test's own time."""

from __future__ import annotations

import pytest
import redis

from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.sandbox.sp_api.seller import Bucket
from keepa_deals.sp_api.plans import UsagePlan
from keepa_deals.token_manager import Denied, Policy, TokenManager
from tests.support.accounts import ManualTime


def of_plan(client: redis.Redis, time: ManualTime, plan: UsagePlan, account: str = "seller") -> TokenManager:
    policy = Policy.of_usage_plan(plan.rate, plan.burst, first_task="on_demand")

    def empty() -> TokenEnvelope:
        return TokenEnvelope(time.ms, 0, round(policy.tick_seconds * 1000), 1, 0.0, 0, 0)

    def sleep(_: str, seconds: float) -> None:
        time.sleep(seconds)

    return TokenManager(
        client, account=account, policy=policy, clock=time, sync=empty, now_ms=lambda: time.ms, sleeper=sleep
    )


PLANS = [UsagePlan(5.0, 10), UsagePlan(0.5, 1), UsagePlan(3.0, 4), UsagePlan(0.0167, 20)]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_whoever_waits_for_its_turn_is_never_throttled_and_goes_nearly_at_the_rate(
    real_redis: redis.Redis, time: ManualTime, plan: UsagePlan
) -> None:
    tokens, bucket = of_plan(real_redis, time, plan), Bucket(plan, time.monotonic())
    waited = 0.0
    for call in range(60):
        if call in (20, 40):
            time.ms += round(7_300 / plan.rate)  # idle: the bucket fills in part
        asked = time.monotonic()
        with tokens.request_permission_for_call(1) as reservation:
            waited += time.monotonic() - asked
            assert bucket.take(time.monotonic()), f"call {call} was throttled"
            tokens.charge(reservation)
    to_wait_for = 60 - 2 * min(plan.burst, 7)
    assert waited <= 1.1 * (to_wait_for + 2) / plan.rate


def test_a_bucket_that_nobody_knows_is_taken_for_empty(real_redis: redis.Redis, time: ManualTime) -> None:
    tokens = of_plan(real_redis, time, UsagePlan(5.0, 10))
    begun = time.monotonic()
    tokens.charge(tokens.request_permission_for_call(1))
    assert 0.2 <= time.monotonic() - begun <= 0.3


def test_the_bucket_holds_no_more_than_its_burst(real_redis: redis.Redis, time: ManualTime) -> None:
    tokens = of_plan(real_redis, time, UsagePlan(5.0, 10))
    tokens.charge(tokens.request_permission_for_call(1))
    time.ms += 9_000
    found = 0
    while reservation := tokens.try_acquire(1):
        assert not isinstance(reservation, Denied)
        tokens.charge(reservation)
        found += 1
    assert found == 10


def test_a_refusal_empties_the_bucket(real_redis: redis.Redis, time: ManualTime) -> None:
    tokens = of_plan(real_redis, time, UsagePlan(5.0, 10))
    tokens.charge(tokens.request_permission_for_call(1))
    time.ms += 9_000
    tokens.charge(tokens.request_permission_for_call(1), refused=True)
    denied = tokens.try_acquire(1)
    assert isinstance(denied, Denied)
    assert 0.2 <= denied.retry_after <= 0.3


def test_what_a_person_asked_for_goes_first(real_redis: redis.Redis, time: ManualTime) -> None:
    tokens = of_plan(real_redis, time, UsagePlan(0.5, 1))
    tokens.charge(tokens.request_permission_for_call(1))
    bucket = tokens.bucket
    from keepa_deals.token_manager import TokenRequest

    other = TokenRequest.for_call(bucket.policy, 1, task="listings")
    person = TokenRequest.for_call(bucket.policy, 1, task="on_demand")
    assert isinstance(bucket.poll(other, queue=True), Denied)
    assert isinstance(bucket.poll(person, queue=True), Denied)
    time.ms += 2_200
    assert isinstance(bucket.poll(other, queue=True), Denied)
    assert not isinstance(bucket.poll(person, queue=True), Denied)


def test_a_booking_that_is_repeated_counts_once(real_redis: redis.Redis, time: ManualTime) -> None:
    tokens = of_plan(real_redis, time, UsagePlan(5.0, 10))
    tokens.charge(tokens.request_permission_for_call(1))
    time.ms += 1_001
    reservation = tokens.request_permission_for_call(1)
    tokens.charge(reservation)
    tokens.charge(reservation)
    snapshot = tokens.snapshot()
    assert snapshot is not None
    assert (snapshot.balance, snapshot.reserved, snapshot.capacity) == (3, 0, 10)


def test_two_accounts_share_nothing(real_redis: redis.Redis, time: ManualTime) -> None:
    first = of_plan(real_redis, time, UsagePlan(0.5, 1), "a")
    first.charge(first.request_permission_for_call(1))
    second = of_plan(real_redis, time, UsagePlan(0.5, 1), "b")
    assert second.snapshot() is None
