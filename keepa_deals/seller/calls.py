"""Calls of Amazon that keep to its usage plans: one bucket an operation, shared by all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import redis

from keepa_deals.clock import Clock
from keepa_deals.jobs import LISTINGS_JOB
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.time import unix_ms
from keepa_deals.redis_store import Keys, connect
from keepa_deals.settings import Settings
from keepa_deals.sp_api.answers import FeeEstimate, FeeQuestion, Restriction
from keepa_deals.sp_api.client import SpApiClient
from keepa_deals.sp_api.credentials import Credentials
from keepa_deals.sp_api.errors import AccessExpiredError, ThrottledError
from keepa_deals.sp_api.plans import PLANS, Operation, UsagePlan
from keepa_deals.token_manager import Policy, TokenManager

ON_DEMAND = "on_demand"
"""What a person waits for goes first."""
_PART = "selling"

T = TypeVar("T")


class SellerCalls:
    """The seller's client, each call of which waits for its turn.

    Every method raises what the client raises, and a ``BudgetError`` when its turn does not come within
    ``timeout`` seconds.
    """

    def __init__(self, client: SpApiClient, redis_client: redis.Redis, keys: Keys, clock: Clock) -> None:
        self.client = client
        self._redis = redis_client
        self._keys = Keys(f"{keys.prefix}:{_PART}")
        self._clock = clock
        self._managers: dict[Operation, tuple[float, TokenManager]] = {}

    @classmethod
    def from_settings(cls, settings: Settings, credentials: Credentials, clock: Clock) -> SellerCalls:
        """Of a deployment; connects at the first call."""
        client = SpApiClient(credentials, api_url=settings.sp_api_url, login_url=settings.sp_api_login_url)
        return cls(client, connect(settings), Keys(settings.redis_key_prefix), clock)

    def restriction(
        self, asin: str, domain_id: int, condition: str, *, on_demand: bool, timeout: float
    ) -> Restriction:
        """Whether the seller may list a product in a condition."""
        task = ON_DEMAND if on_demand else LISTINGS_JOB.name
        ask = lambda: self.client.restriction(asin, domain_id, condition)  # noqa: E731
        return self._ask(Operation.RESTRICTIONS, ask, task, timeout)

    def fees(self, questions: Sequence[FeeQuestion], *, timeout: float) -> Sequence[FeeEstimate]:
        """What Amazon says of the fees, in one call."""
        return self._ask(Operation.FEES, lambda: self.client.fees(questions), LISTINGS_JOB.name, timeout)

    def _ask(self, operation: Operation, ask: Callable[[], T], task: str, timeout: float) -> T:
        """One call; one more when the access token had expired, which Amazon counts, too."""
        self.client.log_in()  # has no part in the usage plan
        try:
            return self._once(operation, ask, task, timeout)
        except AccessExpiredError:
            self.client.log_in()
            return self._once(operation, ask, task, timeout)

    def _once(self, operation: Operation, ask: Callable[[], T], task: str, timeout: float) -> T:
        tokens = self._manager(operation)
        reservation = tokens.request_permission_for_call(1, timeout=timeout, task=task)
        refused = False
        try:
            return ask()
        except ThrottledError:
            refused = True
            raise
        finally:
            tokens.charge(reservation, refused=refused)

    def _manager(self, operation: Operation) -> TokenManager:
        """The bucket at the rate that Amazon told last, or the documented one."""
        plan = PLANS[operation]
        rate = self.client.rates.get(operation, plan.rate)
        known = self._managers.get(operation)
        if known is None or known[0] != rate:
            known = self._managers[operation] = rate, self._made(operation, UsagePlan(rate, plan.burst))
        return known[1]

    def _made(self, operation: Operation, plan: UsagePlan) -> TokenManager:
        policy = Policy.of_usage_plan(plan.rate, plan.burst, first_task=ON_DEMAND)
        tick_ms = round(policy.tick_seconds * 1000)

        def empty() -> TokenEnvelope:
            """Nobody can be asked: what is not known is taken for nothing."""
            return TokenEnvelope(unix_ms(self._clock.now()), 0, tick_ms, 1, 0.0, 0, 0)

        return TokenManager(
            self._redis,
            account=f"{self.client.credentials.account_id}:{operation}",
            keys=self._keys,
            policy=policy,
            clock=self._clock,
            sync=empty,
        )
