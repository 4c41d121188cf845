"""When an alert speaks: its trigger, and when it speaks of the same deal again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from keepa_deals.alerts.schedule import Digest, QuietHours, RuleError
from keepa_deals.deals.kinds import EndedReason

MAX_CENTS = 100_000_000
MAX_HOURS = 24 * 90
MAX_BEST = 50
DEFAULT_BEST = 10
"""Deals that a digest shows; it links to the rest."""


class Trigger(StrEnum):
    """What must happen to a deal of the view."""

    FOUND = "found"
    RETURNED = "returned"
    CHEAPER = "cheaper"
    """By so many percent since it was told last, or since the alert began to look."""
    PRICE = "price"
    """At or below an amount."""
    LOWEST = "lowest"
    """It has never cost less."""
    ENDED = "ended"
    BACK_IN_STOCK = "back_in_stock"


class Again(StrEnum):
    """When the same deal is told once more."""

    ONCE = "once"
    """Not until it ends and returns."""
    CHEAPER = "cheaper"
    AFTER_HOURS = "after_hours"


@dataclass(frozen=True, slots=True)
class Rearm:
    """When the same deal is told once more, with its percent or hours."""

    kind: Again = Again.ONCE
    percent: int | None = None
    hours: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """All that an alert is beside its view and its channels."""

    trigger: Trigger = Trigger.FOUND
    percent: int | None = None
    price: int | None = None
    """In cents of the deal's marketplace."""
    rearm: Rearm = Rearm()
    quiet: QuietHours | None = None
    digest: Digest | None = None
    """``None`` tells at once."""
    best: int = DEFAULT_BEST

    @property
    def is_about_ended(self) -> bool:
        return self.trigger is Trigger.ENDED


@dataclass(frozen=True, slots=True)
class DealFacts:
    """What triggers need to know of a deal."""

    price: int | None
    first_seen_at: datetime
    found_at: datetime
    ended_at: datetime | None = None
    ended_reason: EndedReason | None = None
    is_lowest: bool | None = None
    restocked_at: datetime | None = None
    """When it came back after it had ended for being out of stock."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the alert told of the deal last."""

    occasion: datetime
    at: datetime
    price: int | None


def occasion(rule: Rule, deal: DealFacts, since: datetime) -> datetime | None:
    """The moment that stands for what the rule waits for, if that happened at ``since`` or later."""
    moment = _moment(rule, deal)
    if rule.trigger in (Trigger.CHEAPER, Trigger.PRICE, Trigger.LOWEST):
        return moment  # however long the deal is there: its price is the news
    return moment if moment is not None and moment >= since else None


def _moment(rule: Rule, deal: DealFacts) -> datetime | None:
    if rule.trigger is Trigger.ENDED:
        return None if deal.ended_reason in (None, EndedReason.MERGED) else deal.ended_at
    if deal.ended_at is not None:
        return None
    match rule.trigger:
        case Trigger.FOUND:
            return deal.first_seen_at
        case Trigger.RETURNED:
            return deal.found_at if deal.found_at > deal.first_seen_at else None
        case Trigger.BACK_IN_STOCK:
            return deal.restocked_at
        case Trigger.PRICE:
            return deal.found_at if _is_at_or_below(deal.price, rule.price) else None
        case Trigger.LOWEST:
            return deal.found_at if deal.is_lowest else None
    return deal.found_at


def should_tell(
    rule: Rule,
    deal: DealFacts,
    told: Told | None,
    moment: datetime,
    now: datetime,
    price_before: int | None = None,
) -> bool:
    """Whether the alert speaks of the deal now; ``moment`` is the ``occasion``.

    ``price_before``: when the alert began to look, or the first one after.
    """
    if rule.trigger is Trigger.CHEAPER:
        before = price_before if told is None else told.price
        if not is_cheaper(deal.price, before, rule.percent or 1):
            return False
    if told is None or told.occasion != moment:
        return True
    return _is_armed_again(rule.rearm, deal, told, now)


def _is_armed_again(rearm: Rearm, deal: DealFacts, told: Told, now: datetime) -> bool:
    match rearm.kind:
        case Again.CHEAPER:
            return is_cheaper(deal.price, told.price, rearm.percent or 1)
        case Again.AFTER_HOURS:
            return now - told.at >= timedelta(hours=rearm.hours or 1)
    return False


def is_cheaper(price: int | None, before: int | None, percent: int) -> bool:
    """Whether a price is at least so many percent below another; an unknown one never is."""
    if price is None or before is None:
        return False
    return price * 100 <= before * (100 - percent)


def _is_at_or_below(price: int | None, limit: int | None) -> bool:
    return price is not None and limit is not None and price <= limit


# -- as JSON -------------------------------------------------------------------------------------
def read_rule(given: Mapping[str, Any]) -> Rule:
    """The rule that a program or the table gives; ``RuleError`` names the field and what it may be."""
    trigger = _object(given.get("trigger", {"kind": Trigger.FOUND}), "trigger")
    kind = _one_of(trigger.get("kind"), Trigger, "trigger.kind")
    percent = _whole(trigger.get("percent"), "trigger.percent", 1, 99)
    price = _whole(trigger.get("price"), "trigger.price", 1, MAX_CENTS)
    if kind is Trigger.CHEAPER and percent is None:
        raise RuleError("trigger.percent", "how many percent cheaper it must be: 1 to 99")
    if kind is Trigger.PRICE and price is None:
        raise RuleError("trigger.price", "the price in cents that it must reach")
    quiet, digest = given.get("quiet"), given.get("digest")
    return Rule(
        kind,
        percent if kind is Trigger.CHEAPER else None,
        price if kind is Trigger.PRICE else None,
        _read_rearm(given.get("rearm"), kind, percent),
        None if not quiet else QuietHours.read(_object(quiet, "quiet")),
        None if not digest else Digest.read(_object(digest, "digest")),
        _whole(given.get("best"), "best", 1, MAX_BEST) or DEFAULT_BEST,
    )


def _read_rearm(given: object, trigger: Trigger, percent: int | None) -> Rearm:
    if given is None:
        return Rearm(Again.CHEAPER, percent) if trigger is Trigger.CHEAPER else Rearm()
    if isinstance(given, str):
        given = {"kind": given}
    fields = _object(given, "rearm")
    kind = _one_of(fields.get("kind"), Again, "rearm.kind")
    cheaper = _whole(fields.get("percent"), "rearm.percent", 1, 99)
    hours = _whole(fields.get("hours"), "rearm.hours", 1, MAX_HOURS)
    if kind is Again.CHEAPER and cheaper is None:
        raise RuleError("rearm.percent", "how many percent cheaper it must be: 1 to 99")
    if kind is Again.AFTER_HOURS and hours is None:
        raise RuleError("rearm.hours", f"after how many hours: 1 to {MAX_HOURS}")
    return Rearm(
        kind, cheaper if kind is Again.CHEAPER else None, hours if kind is Again.AFTER_HOURS else None
    )


def rule_json(rule: Rule) -> dict[str, Any]:
    """The rule as ``read_rule`` reads it."""
    trigger = {"kind": str(rule.trigger), "percent": rule.percent, "price": rule.price}
    rearm = {"kind": str(rule.rearm.kind), "percent": rule.rearm.percent, "hours": rule.rearm.hours}
    return {
        "trigger": _without_nothing(trigger),
        "rearm": _without_nothing(rearm),
        "quiet": None if rule.quiet is None else rule.quiet.to_json(),
        "digest": None if rule.digest is None else rule.digest.to_json(),
        "best": rule.best,
    }


def _without_nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RuleError(name, "an object")
    return value


def _one_of(value: object, kinds: type[Any], name: str) -> Any:
    try:
        return kinds(value)
    except ValueError:
        raise RuleError(name, f"one of {', '.join(str(kind) for kind in kinds)}") from None


def _whole(value: object, name: str, least: int, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RuleError(name, f"a whole number from {least} to {most}")
    return value
