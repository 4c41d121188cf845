"""The sandbox's feed moves as the recorded one does."""

from __future__ import annotations

import pytest

from keepa_deals.sandbox.behaviour import Behaviour
from tests.benchmarks.sandbox_statistics import (
    RECORDING,
    recorded_sweeps,
    sandbox_sweeps,
    statistics_of,
)

TOLERANCE = {
    "moved after 1 h": 0.025,
    "moved after 3 h": 0.06,
    "moved after 4 h": 0.06,
    "moves that end at the same price (4 h)": 0.06,
    "moves that end at a higher price (4 h)": 0.06,
    "gone an hour": 0.012,
    "newcomers with an old date (1 h)": 0.16,
    "newcomers with an old date (3 h)": 0.12,
    "deals whose date another one has": 0.12,
    "deals younger than 3 h": 0.10,
    "deals younger than a day": 0.10,
    "deals younger than three days": 0.12,
    "deals younger than a week": 0.10,
    "deals younger than two weeks": 0.05,
}
"""By how much a sandbox of 760 deals may differ: about three standard errors of the recording itself."""
EXACT = ("moves that lead backwards", "sweeps whose last page is short", "dates at an odd minute")


@pytest.mark.skipif(
    not RECORDING.is_file(), reason="the recorded answers of Keepa are not beside this checkout"
)
def test_deals_move_end_and_arrive_as_recorded() -> None:
    recorded, ours = statistics_of(recorded_sweeps()), statistics_of(sandbox_sweeps("statistics"))
    far = {
        name: (recorded[name], ours[name])
        for name, tolerance in TOLERANCE.items()
        if abs(recorded[name] - ours[name]) > tolerance
    }
    assert far == {}
    assert {name: ours[name] for name in EXACT} == {name: recorded[name] for name in EXACT}
    assert -0.5 <= ours["youngest deal in minutes"] <= 6


@pytest.mark.skipif(
    not RECORDING.is_file(), reason="the recorded answers of Keepa are not beside this checkout"
)
def test_the_recording_says_what_the_documentation_quotes() -> None:
    """45 of 737 moved after 63 minutes, 130 of 697 after three hours."""
    recorded = statistics_of(recorded_sweeps())
    assert recorded["moved after 1 h"] == pytest.approx(45 / 737)
    assert recorded["moved after 3 h"] == pytest.approx(130 / 697)


@pytest.mark.parametrize(
    "repriced", [0.5, *(pytest.param(share, marks=pytest.mark.nightly) for share in (0.0, 0.2))]
)
def test_as_many_deals_move_as_asked_for(repriced: float) -> None:
    sweeps = sandbox_sweeps("moves", deals=300, behaviour=Behaviour(repriced=repriced))
    before, after = ({entry.asin: entry.changed for entry in sweep} for sweep in sweeps[:2])
    both = before.keys() & after.keys()
    moved = sum(before[asin] != after[asin] for asin in both) / len(both)
    assert moved == pytest.approx(repriced, abs=0.08)


def test_as_many_deals_end_as_asked_for() -> None:
    first, _, third = sandbox_sweeps("ends", deals=300, behaviour=Behaviour(gone=0.1))
    before, after = {entry.asin for entry in first}, {entry.asin for entry in third}
    assert len(before - after) / len(before) == pytest.approx(1 - 0.9**4, abs=0.1)
