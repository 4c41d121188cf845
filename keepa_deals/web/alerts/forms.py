"""What the form of an alert says, as the rule that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keepa_deals.alerts.rules import Again, Rule, Trigger, read_rule
from keepa_deals.alerts.schedule import RuleError
from keepa_deals.query.amounts import Unit
from keepa_deals.query.typed_numbers import TypedNumberError, read_typed

TRIGGERS: Mapping[Trigger, str] = {
    Trigger.FOUND: "a deal is found",
    Trigger.RETURNED: "a deal returns",
    Trigger.CHEAPER: "a deal gets cheaper by some percent",
    Trigger.PRICE: "a price is reached",
    Trigger.LOWEST: "it has never cost less",
    Trigger.BACK_IN_STOCK: "a deal is back in stock",
    Trigger.ENDED: "a deal ends",
}
AGAIN: Mapping[Again, str] = {
    Again.ONCE: "once",
    Again.CHEAPER: "again when it is cheaper by some percent",
    Again.AFTER_HOURS: "again after some hours",
}


def rule_of(form: Mapping[str, str], domain_id: int) -> Rule:
    """The rule of a form; ``RuleError`` names the field. An empty field is not given."""
    given = {name: text.strip() for name, text in form.items() if text.strip()}
    trigger: dict[str, Any] = {"kind": given.get("trigger", Trigger.FOUND)}
    trigger["percent"] = _whole(given, "percent")
    trigger["price"] = _amount(given, "price", domain_id)
    again: dict[str, Any] = {"kind": given["again"]} if "again" in given else {}
    if again:
        again |= {"percent": _whole(given, "again_percent"), "hours": _whole(given, "again_hours")}
    return read_rule(
        {
            "trigger": trigger,
            "rearm": again or None,
            "quiet": _quiet(given),
            "digest": _digest(given),
            "best": _whole(given, "best"),
        }
    )


def _quiet(given: Mapping[str, str]) -> dict[str, Any] | None:
    if "quiet_from" not in given and "quiet_to" not in given:
        return None
    return {"from": given.get("quiet_from"), "to": given.get("quiet_to"), "zone": given.get("zone")}


def _digest(given: Mapping[str, str]) -> dict[str, Any] | None:
    match given.get("form"):
        case "every":
            return {"every_minutes": _whole(given, "every_minutes")}
        case "daily":
            return {"at": given.get("daily_at"), "zone": given.get("zone")}
    return None


def _whole(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise RuleError(name, "a whole number")
    return int(text)


def _amount(given: Mapping[str, str], name: str, domain_id: int) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        return read_typed(Unit.MONEY, text, domain_id)
    except TypedNumberError as error:
        raise RuleError(name, str(error)) from None
