"""The upserter's state comes back as it was written, and from the last version's form, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.ingest.upsert.budget import FeedSize, Plan, Supply, make_plan
from keepa_deals.ingest.upsert.schedule import Sweep
from keepa_deals.ingest.upsert.state import (
    CatchUp,
    SweepState,
    fingerprint,
    load_state,
    pages_kept,
    plan_of,
    sweep_of,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SELECTION = {"priceTypes": [1]}
RENAMED = {"doubted_at": "shrunk_since", "floor": "oldest_read", "hurry": "immediate", "mark": "watermark"}
"""What the last version called it, and what it is called now."""


def plan(rate: int | None) -> Plan:
    supply = Supply(rate, MINUTE, HOUR) if rate is not None else None
    return make_plan(FeedSize(9000, 0, 0, HOUR), MINUTE, supply)


moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
maybe = st.none() | moments


@given(
    st.builds(
        SweepState,
        selection=st.just(fingerprint(SELECTION)),
        selected_at=moments,
        head_at=maybe,
        overlapped_at=maybe,
        shrunk_since=maybe,
        sweep=st.none()
        | st.builds(Sweep, moments, st.integers(0, 67), st.integers(1, 67), st.booleans(), maybe),
        plan=st.none() | st.just(plan(5)) | st.just(plan(None)),
        reference=st.integers(0, 10_000),
        oldest_read=maybe,
        swept_since=maybe,
        horizon=maybe,
        catch_up=st.none() | st.builds(CatchUp, moments, moments),
    )
)
def test_what_is_remembered_comes_back_the_same(state: SweepState) -> None:
    assert load_state(state.to_json(), SELECTION, NOON) == state


@pytest.mark.parametrize(
    "broken", [{"sweep": {"x": 1}}, {"plan": {"kept": 1}}, {"selected_at": "?"}, {"oldest_read": 7}]
)
def test_a_state_that_cannot_be_read_begins_anew_instead_of_failing_for_ever(
    broken: dict[str, object],
) -> None:
    found = load_state({**SweepState(fingerprint(SELECTION), NOON).to_json(), **broken}, SELECTION, NOON)
    assert found.sweep is None
    assert found.selected_at < NOON


LATER = NOON + HOUR
CAUGHT_UP = SweepState(
    fingerprint(SELECTION),
    NOON,
    shrunk_since=LATER,
    oldest_read=LATER,
    sweep=Sweep(NOON, 5, 60, immediate=True),
    plan=plan(5),
    catch_up=CatchUp(NOON, LATER),
)


def only(names: set[str], stored: dict[str, Any]) -> dict[str, Any]:
    """The JSON as a version writes it that knows of two names for one thing only those in ``names``."""
    others = {*RENAMED, *RENAMED.values()} - names
    return {
        name: only(names, value) if isinstance(value, dict) else value
        for name, value in stored.items()
        if name not in others
    }


def test_the_state_of_the_last_version_is_read_and_the_last_version_can_read_ours() -> None:
    stored = CAUGHT_UP.to_json()
    former, present = only({*RENAMED}, stored), only({*RENAMED.values()}, stored)
    assert load_state(former, SELECTION, NOON) == CAUGHT_UP
    assert load_state(present, SELECTION, NOON) == CAUGHT_UP
    assert (former["floor"], former["doubted_at"]) == (LATER.isoformat(), LATER.isoformat())
    assert former["sweep"]["hurry"] is True
    assert former["catch_up"] == {"down_to": NOON.isoformat(), "mark": LATER.isoformat()}


def test_others_learn_the_plan_and_the_sweep_without_opening_the_json() -> None:
    stored = CAUGHT_UP.to_json()
    assert plan_of(stored) == CAUGHT_UP.plan
    assert sweep_of(stored) == CAUGHT_UP.sweep
    assert pages_kept(stored) == 46


@pytest.mark.parametrize(
    "cursor", [None, {}, [], {"plan": 3, "sweep": []}, {"plan": {"kept": 1}, "sweep": {"x": 1}}]
)
def test_what_is_no_cursor_has_neither_plan_nor_sweep(cursor: object) -> None:
    assert plan_of(cursor) is None
    assert sweep_of(cursor) is None
    assert pages_kept(cursor) is None
