"""The seller of the sandbox: log-ins, usage plans, what Amazon would say. Nothing here knows of HTTP."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.deals.may_sell import MaySell
from keepa_deals.marketplaces import marketplace
from keepa_deals.sandbox import product_lookup
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sp_api.conditions import NEW
from keepa_deals.sp_api.places import MARKETPLACE_IDS
from keepa_deals.sp_api.plans import PLANS, Operation, UsagePlan

CREDENTIAL_STATES = ("accepted", "refused", "revoked")
"""``refused``: no such application. ``revoked``: the seller has taken their leave back."""
TOKEN_SECONDS = 3600.0
"""Amazon's access tokens live an hour (guide: Connecting to the Selling Partner API)."""
SHARES = {MaySell.REFUSED: 0.12, MaySell.APPROVAL: 0.25}
"""Of the products that may not be sold, and not at once. Assumed: nothing of it is known."""
DOMAINS = {name: number for number, name in MARKETPLACE_IDS.items()}


class Bucket:
    """The token bucket of an operation: filled evenly, by the documented algorithm."""

    def __init__(self, plan: UsagePlan, now: float) -> None:
        self.plan = plan
        self._tokens = float(plan.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether a call may go now."""
        self._tokens = min(self.plan.burst, self._tokens + (now - self._at) * self.plan.rate)
        self._at = now
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True)
class Statistics:
    """What the sandbox has seen. ``by_product`` counts questions by ``domain/asin/condition``."""

    log_ins: int
    throttled: int
    by_operation: Mapping[str, int]
    by_product: Mapping[str, int]


class Seller:
    """A seller who logs in with any credentials. Safe from many threads, with a catalogue of its own."""

    def __init__(self, catalogue: Catalogue, *, clock: Clock | None = None) -> None:
        self.catalogue = catalogue
        self.credentials = CREDENTIAL_STATES[0]
        self.token_seconds = TOKEN_SECONDS
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self._buckets = {name: Bucket(plan, self._clock.monotonic()) for name, plan in PLANS.items()}
        self._log_ins = self._throttled = 0
        self._by_operation: Counter[str] = Counter()
        self._by_product: Counter[str] = Counter()

    # -- logging in ----------------------------------------------------------------------------
    def log_in(self) -> str:
        """A new access token."""
        with self._lock:
            self._log_ins += 1
            token = f"Atza|{secrets.token_urlsafe(24)}"
            self._tokens[token] = self._clock.monotonic() + self.token_seconds
            return token

    def knows(self, token: str) -> bool | None:
        """Whether a token lets in; ``None`` when it did once."""
        with self._lock:
            until = self._tokens.get(token)
            return None if until is not None and until <= self._clock.monotonic() else until is not None

    def expire_tokens(self) -> None:
        """End all tokens now."""
        with self._lock:
            self._tokens = dict.fromkeys(self._tokens, 0.0)

    # -- usage plans ---------------------------------------------------------------------------
    def admit(self, operation: Operation) -> bool:
        """Whether the usage plan lets the call go now."""
        with self._lock:
            self._by_operation[operation] += 1
            admitted = self._buckets[operation].take(self._clock.monotonic())
            self._throttled += not admitted
            return admitted

    def rate(self, operation: Operation) -> float:
        return self._buckets[operation].plan.rate

    def set_rate(self, operation: Operation, rate: float) -> None:
        """Change a plan; its bucket is full."""
        if not 0.001 <= rate <= 100:
            raise ValueError(f"rate {rate}: must be 0.001 to 100 calls a second")
        with self._lock:
            plan = UsagePlan(rate, PLANS[operation].burst)
            self._buckets[operation] = Bucket(plan, self._clock.monotonic())

    def statistics(self) -> dict[str, Any]:
        with self._lock:
            by_operation = {str(name): count for name, count in self._by_operation.items()}
            return asdict(Statistics(self._log_ins, self._throttled, by_operation, dict(self._by_product)))

    # -- answers -------------------------------------------------------------------------------
    def restrictions(self, asin: str, marketplace_id: str, condition: str | None) -> list[dict[str, Any]]:
        """Restrictions of a product (model: ``RestrictionList``)."""
        domain = DOMAINS[marketplace_id]
        with self._lock:
            self._by_product[f"{domain}/{asin}/{condition or ''}"] += 1
            is_known = self.catalogue.find(asin) is not None
        if not is_known:
            words = "The ASIN does not exist in this marketplace."
            return [_restriction(marketplace_id, condition, "ASIN_NOT_FOUND", words)]
        answer = self.may_sell(asin, domain, condition or NEW)
        if answer is MaySell.ALLOWED:
            return []
        if answer is MaySell.REFUSED:
            words = "You are not eligible to list this product."
            return [_restriction(marketplace_id, condition, "NOT_ELIGIBLE", words)]
        url = f"https://sellercentral.amazon.{marketplace(domain).tld}/hz/approvalrequest?asin={asin}"
        words = "You need approval to list this product."
        return [_restriction(marketplace_id, condition, "APPROVAL_REQUIRED", words, url)]

    def may_sell(self, asin: str, domain_id: int, condition: str) -> MaySell:
        """What the answer comes to: the same whenever it is asked."""
        fraction = self.catalogue.fraction(f"may-sell/{domain_id}/{asin}/{condition}")
        for answer, share in SHARES.items():
            if fraction < share:
                return answer
            fraction -= share
        return MaySell.ALLOWED

    def estimate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The fees of one product at a price (model: ``FeesEstimateResult``)."""
        asked, asin = request["FeesEstimateRequest"], str(request.get("IdValue", ""))
        identifier = {
            "MarketplaceId": asked["MarketplaceId"],
            "IdType": request.get("IdType"),
            "IdValue": asin,
            "SellerInputIdentifier": asked.get("Identifier"),
            "IsAmazonFulfilled": asked.get("IsAmazonFulfilled", False),
            "PriceToEstimateFees": asked["PriceToEstimateFees"],
        }
        with self._lock:
            item = self.catalogue.find(asin)
            fees = product_lookup.fees_of(self.catalogue, item) if item else None
        if fees is None:
            error = {
                "Type": "Sender",
                "Code": "InvalidParameterValue",
                "Message": "The ASIN is not known.",
                "Detail": [],
            }
            return {"Status": "ClientError", "FeesEstimateIdentifier": identifier, "Error": error}
        currency = asked["PriceToEstimateFees"]["ListingPrice"]["CurrencyCode"]
        price = float(asked["PriceToEstimateFees"]["ListingPrice"]["Amount"])
        amounts = {
            "ReferralFee": price * fees.referral_percent / 100,
            "VariableClosingFee": fees.closing / 100,
        }
        if identifier["IsAmazonFulfilled"]:
            amounts["FBAFees"] = fees.fulfilment / 100
        details = [_fee(kind, currency, round(amount, 2)) for kind, amount in amounts.items()]
        total = round(sum(round(amount, 2) for amount in amounts.values()), 2)
        estimate = {
            "TimeOfFeesEstimation": self._clock.now().isoformat(),
            "TotalFeesEstimate": {"CurrencyCode": currency, "Amount": total},
            "FeeDetailList": details,
        }
        return {"Status": "Success", "FeesEstimateIdentifier": identifier, "FeesEstimate": estimate}


def _restriction(
    marketplace_id: str, condition: str | None, code: str, words: str, url: str | None = None
) -> dict[str, Any]:
    links = (
        [{"resource": url, "verb": "GET", "title": "Request approval", "type": "text/html"}] if url else []
    )
    reason = {"message": words, "reasonCode": code, **({"links": links} if links else {})}
    kind = {"conditionType": condition} if condition else {}
    return {"marketplaceId": marketplace_id, **kind, "reasons": [reason]}


def _fee(kind: str, currency: str, amount: float) -> dict[str, Any]:
    money, none = {"CurrencyCode": currency, "Amount": amount}, {"CurrencyCode": currency, "Amount": 0.0}
    return {"FeeType": kind, "FeeAmount": money, "FeePromotion": none, "FinalFee": money}
