"""What Amazon's answers mean. Pure; what cannot be read is a ``UnreadableAnswerError``, never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from keepa_deals.deals.may_sell import MaySell
from keepa_deals.keepa.fields import INT32, Json, entries, text
from keepa_deals.marketplaces import marketplace
from keepa_deals.sp_api.errors import UnreadableAnswerError
from keepa_deals.sp_api.places import MARKETPLACE_IDS

MAX_MESSAGE = 300
_MAX_LINK = 500
_AMAZON = re.compile(r"([a-z0-9-]+\.)*amazon\.[a-z]{2,3}(\.[a-z]{2})?", re.ASCII)
_REFERRAL, _CLOSING = "ReferralFee", "VariableClosingFee"
_FULFILMENT = ("FBAFees", "FBAPickAndPack")
"""Of Amazon's fee types (guide: Product Fees API); whatever else there is counts in the total alone."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """The answer for one product in one condition, Amazon's words for it, and where to ask for approval."""

    may_sell: MaySell
    message: str = ""
    link: str | None = None


def restriction_of(body: object, domain_id: int, condition: str) -> Restriction:
    """What ``getListingsRestrictions`` answered: its strictest reason (model: ``RestrictionList``)."""
    listed = body.get("restrictions") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        raise UnreadableAnswerError("Amazon’s answer has no list of restrictions")
    found = [reason for each in listed for reason in _reasons(each, domain_id, condition)]
    return max(found, key=lambda one: one.may_sell, default=Restriction(MaySell.ALLOWED))


def _reasons(raw: object, domain_id: int, condition: str) -> Iterator[Restriction]:
    """The reasons of a restriction that is about the product as it was asked for."""
    if not isinstance(raw, Mapping):
        raise UnreadableAnswerError("a restriction in Amazon’s answer cannot be read")
    if raw.get("marketplaceId") != MARKETPLACE_IDS[domain_id]:
        return
    if raw.get("conditionType") not in (None, condition):
        return
    reasons = entries(raw.get("reasons"))
    if not reasons:
        yield Restriction(MaySell.REFUSED)
    for reason in reasons:
        yield _reason(reason if isinstance(reason, Mapping) else {})


def _reason(raw: Json) -> Restriction:
    """``reasonCode`` may be missing: a link then says that there is a way."""
    link = next((url for url in map(_link, entries(raw.get("links"))) if url), None)
    code, message = raw.get("reasonCode"), text(raw.get("message"), MAX_MESSAGE)
    if code == "APPROVAL_REQUIRED" or (code not in ("NOT_ELIGIBLE", "ASIN_NOT_FOUND") and link):
        return Restriction(MaySell.APPROVAL, message, link)
    return Restriction(MaySell.REFUSED, message)


def _link(raw: object) -> str | None:
    """A page of Amazon's, over TLS; anything else is not shown to people."""
    url = raw.get("resource") if isinstance(raw, Mapping) else None
    if not isinstance(url, str) or len(url) > _MAX_LINK or not url.isascii() or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    plain = parts.scheme == "https" and parts.netloc == host and " " not in url
    return url if plain and _AMAZON.fullmatch(host) else None


# -- fees ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class FeeQuestion:
    """Fees of a product sold at ``price`` (cents of its marketplace), shipped by Amazon or not."""

    asin: str
    domain_id: int
    price: int
    by_amazon: bool

    def to_json(self) -> dict[str, Any]:
        """As the model has it (``FeesEstimateByIdRequest``)."""
        place = marketplace(self.domain_id)
        amount = float(Decimal(self.price).scaleb(-place.minor_digits))
        price = {"CurrencyCode": place.currency, "Amount": amount}
        return {
            "IdType": "ASIN",
            "IdValue": self.asin,
            "FeesEstimateRequest": {
                "MarketplaceId": MARKETPLACE_IDS[self.domain_id],
                "IsAmazonFulfilled": self.by_amazon,
                "PriceToEstimateFees": {"ListingPrice": price},
                "Identifier": self.identifier,
            },
        }

    @property
    def identifier(self) -> str:
        """Comes back in the answer."""
        return f"{self.domain_id}-{self.asin}-{self.price}-{'fba' if self.by_amazon else 'fbm'}"


@dataclass(frozen=True, slots=True)
class FeeEstimate:
    """What Amazon says of the fees, in cents; ``problem`` instead where it says none."""

    total: int | None = None
    referral: int | None = None
    closing: int | None = None
    fulfilment: int | None = None
    problem: str = ""


def estimates_of(body: object, questions: Sequence[FeeQuestion]) -> Sequence[FeeEstimate]:
    """What ``getMyFeesEstimates`` answered, an estimate a question (model: ``FeesEstimateResult``)."""
    if not isinstance(body, list):
        raise UnreadableAnswerError("Amazon’s answer has no list of fees")
    told = {}
    for raw in body[: len(questions)]:
        result = raw if isinstance(raw, Mapping) else {}
        told[_at(result, "FeesEstimateIdentifier").get("SellerInputIdentifier")] = result
    silent = FeeEstimate(problem="Amazon’s answer left it out")
    return [
        _estimate(told[one.identifier], one.domain_id) if one.identifier in told else silent
        for one in questions
    ]


def _estimate(raw: Json, domain_id: int) -> FeeEstimate:
    estimate = _at(raw, "FeesEstimate")
    total = _money(estimate.get("TotalFeesEstimate"), domain_id)
    if raw.get("Status") != "Success" or total is None:
        problem = text(_at(raw, "Error").get("Message"), MAX_MESSAGE)
        return FeeEstimate(problem=problem or "Amazon gives no estimate")
    fees = {}
    for fee in entries(estimate.get("FeeDetailList")):
        if isinstance(fee, Mapping):
            fees[fee.get("FeeType")] = _money(fee.get("FinalFee"), domain_id)
    fulfilment = next((fees[name] for name in _FULFILMENT if fees.get(name) is not None), None)
    return FeeEstimate(total, fees.get(_REFERRAL), fees.get(_CLOSING), fulfilment)


def _at(raw: Json, name: str) -> Json:
    value = raw.get(name)
    return value if isinstance(value, Mapping) else {}


def _money(raw: object, domain_id: int) -> int | None:
    """An amount in the marketplace's currency, in cents; ``None`` for another one, and for none."""
    if not isinstance(raw, Mapping) or raw.get("CurrencyCode") != marketplace(domain_id).currency:
        return None
    value = raw.get("Amount")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        exact = Decimal(str(value)).scaleb(marketplace(domain_id).minor_digits)
        cents = int(exact.to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return cents if 0 <= cents <= INT32 else None
