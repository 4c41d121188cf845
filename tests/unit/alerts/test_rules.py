"""What triggers an alert, when it speaks again, and which rules are none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepa_deals.alerts.rules import (
    Again,
    DealFacts,
    Rearm,
    Rule,
    Told,
    Trigger,
    is_cheaper,
    occasion,
    read_rule,
    rule_json,
    should_tell,
)
from keepa_deals.alerts.schedule import RuleError
from keepa_deals.deals.kinds import EndedReason

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SINCE = NOW - 10 * HOUR
DEAL = DealFacts(price=1000, first_seen_at=NOW - HOUR, found_at=NOW - HOUR)
OLD = replace(DEAL, first_seen_at=SINCE - HOUR, found_at=SINCE - HOUR)
ENDED = replace(DEAL, ended_at=NOW, ended_reason=EndedReason.OUT_OF_STOCK)


def tells(rule: Rule, deal: DealFacts, told: Told | None = None, price_before: int | None = None) -> bool:
    moment = occasion(rule, deal, SINCE)
    return moment is not None and should_tell(rule, deal, told, moment, NOW, price_before)


@pytest.mark.parametrize(
    ("trigger", "deal", "expected"),
    [
        (Trigger.FOUND, DEAL, True),
        (Trigger.FOUND, replace(DEAL, first_seen_at=SINCE), True),
        (Trigger.FOUND, OLD, False),
        (Trigger.FOUND, replace(OLD, found_at=NOW), False),
        (Trigger.FOUND, ENDED, False),
        (Trigger.RETURNED, DEAL, False),
        (Trigger.RETURNED, replace(OLD, found_at=NOW), True),
        (Trigger.RETURNED, replace(OLD, first_seen_at=SINCE - 2 * HOUR), False),
        (Trigger.ENDED, DEAL, False),
        (Trigger.ENDED, ENDED, True),
        (Trigger.ENDED, replace(ENDED, ended_at=SINCE - HOUR), False),
        (Trigger.ENDED, replace(ENDED, ended_reason=EndedReason.MERGED), False),
        (Trigger.LOWEST, replace(OLD, is_lowest=True), True),
        (Trigger.LOWEST, replace(OLD, is_lowest=None), False),
        (Trigger.BACK_IN_STOCK, replace(OLD, restocked_at=NOW), True),
        (Trigger.BACK_IN_STOCK, replace(OLD, restocked_at=SINCE - HOUR), False),
        (Trigger.BACK_IN_STOCK, DEAL, False),
    ],
)
def test_a_trigger_goes_by_what_happened_since_the_alert_looks(
    trigger: Trigger, deal: DealFacts, expected: bool
) -> None:
    assert tells(Rule(trigger), deal) is expected


@pytest.mark.parametrize(("price", "expected"), [(1000, True), (1001, False), (None, False)])
def test_a_price_is_reached_at_or_below(price: int | None, expected: bool) -> None:
    assert tells(Rule(Trigger.PRICE, price=1000), replace(OLD, price=price)) is expected


@pytest.mark.parametrize(
    ("price", "before", "expected"),
    [(900, 1000, True), (901, 1000, False), (None, 1000, False), (900, None, False)],
)
def test_cheaper_counts_whole_percents_and_never_the_unknown(
    price: int | None, before: int | None, expected: bool
) -> None:
    rule = Rule(Trigger.CHEAPER, percent=10)
    assert is_cheaper(price, before, 10) is expected
    assert tells(rule, replace(OLD, price=price), price_before=before) is expected


def test_what_was_told_is_told_once() -> None:
    told = Told(DEAL.found_at, NOW - HOUR, 1000)
    assert not tells(Rule(), DEAL, told)
    assert tells(Rule(Trigger.RETURNED), replace(OLD, found_at=NOW), replace(told, occasion=OLD.found_at))


@pytest.mark.parametrize(
    ("rearm", "price", "told_at", "expected"),
    [
        (Rearm(), 1, SINCE, False),
        (Rearm(Again.CHEAPER, percent=5), 950, NOW, True),
        (Rearm(Again.CHEAPER, percent=5), 951, NOW, False),
        (Rearm(Again.AFTER_HOURS, hours=2), 1000, NOW - 2 * HOUR, True),
        (Rearm(Again.AFTER_HOURS, hours=2), 1000, NOW - HOUR, False),
    ],
)
def test_a_deal_is_told_again_when_the_rule_says_so(
    rearm: Rearm, price: int, told_at: datetime, expected: bool
) -> None:
    rule = Rule(Trigger.PRICE, price=2000, rearm=rearm)
    told = Told(OLD.found_at, told_at, 1000)
    assert tells(rule, replace(OLD, price=price), told) is expected


def test_cheaper_counts_from_what_was_told_last() -> None:
    rule = read_rule({"trigger": {"kind": "cheaper", "percent": 10}})
    told = Told(OLD.found_at, NOW, 900)
    assert not tells(rule, replace(OLD, price=811), told, 1000)
    assert tells(rule, replace(OLD, price=810), told, 1000)


def test_the_occasion_of_a_price_is_the_life_of_the_deal() -> None:
    assert occasion(Rule(Trigger.PRICE, price=1000), OLD, SINCE) == OLD.found_at


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"trigger": {"kind": "price", "price": 1999}, "rearm": "once", "best": 3},
        {"trigger": {"kind": "cheaper", "percent": 5}, "digest": {"every_minutes": 30}},
        {
            "trigger": {"kind": "found"},
            "rearm": {"kind": "after_hours", "hours": 12},
            "quiet": {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"},
            "digest": {"at": "08:00", "zone": "UTC"},
        },
    ],
)
def test_a_rule_is_read_again_as_it_was_written(given: dict[str, Any]) -> None:
    rule = read_rule(given)
    assert read_rule(rule_json(rule)) == rule


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"trigger": "found"}, "trigger"),
        ({"trigger": {"kind": "gone"}}, "trigger.kind"),
        ({"trigger": {"kind": "cheaper"}}, "trigger.percent"),
        ({"trigger": {"kind": "price"}}, "trigger.price"),
        ({"trigger": {"kind": "price", "price": 0}}, "trigger.price"),
        ({"trigger": {"kind": "price", "price": 9.5}}, "trigger.price"),
        ({"rearm": "never"}, "rearm.kind"),
        ({"rearm": {"kind": "after_hours"}}, "rearm.hours"),
        ({"rearm": {"kind": "cheaper", "percent": 100}}, "rearm.percent"),
        ({"quiet": "night"}, "quiet"),
        ({"digest": {"every_minutes": 1}}, "digest.every_minutes"),
        ({"best": True}, "best"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(RuleError) as error:
        read_rule(given)
    assert error.value.field == field
