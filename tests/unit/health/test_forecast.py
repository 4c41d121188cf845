"""How many deals are to be expected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from keepa_deals.health.forecast import forecast
from keepa_deals.health.parts.deals import DealsHealth
from keepa_deals.health.parts.flow import FlowHealth
from keepa_deals.health.parts.history import HistoryHealth

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DEALS = DealsHealth(100, 0, 0, ((QUARTER, 60), (2 * QUARTER, 20), (3 * QUARTER, 15), (4 * QUARTER, 5)))
OLD = HistoryHealth(NOW - timedelta(minutes=61), None, (), (), ())


def test_unattended_the_oldest_deals_go_first_and_all_within_the_window() -> None:
    outlook = forecast(DEALS, None, OLD, NOW)
    assert outlook is not None
    assert outlook.unattended == ((QUARTER, 95), (2 * QUARTER, 80), (3 * QUARTER, 60), (4 * QUARTER, 0))


def test_attended_the_last_hour_goes_on_and_no_number_is_negative() -> None:
    outlook = forecast(DEALS, FlowHealth({}, 10, 50), OLD, NOW)
    assert outlook is not None
    assert outlook.expected == ((1, 60), (2, 20), (3, 0), (4, 0))


def test_a_young_deployment_has_no_hour_to_go_by() -> None:
    young = HistoryHealth(NOW - timedelta(minutes=30), None, (), (), ())
    outlook = forecast(DEALS, FlowHealth({}, 10, 50), young, NOW)
    assert outlook is not None
    assert outlook.expected == ()
    assert forecast(None, None, None, NOW) is None
