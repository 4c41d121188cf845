"""Quiet hours and digests, by the clock of the person's zone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from keepa_deals.alerts.schedule import Digest, QuietHours, RuleError, due_at

BERLIN = "Europe/Berlin"
NIGHT = QuietHours(time(22), time(7), BERLIN)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-01-10T20:59:59", "2026-01-10T20:59:59"),  # 21:59:59 there
        ("2026-01-10T21:00", "2026-01-11T06:00"),
        ("2026-01-11T05:59:59", "2026-01-11T06:00"),
        ("2026-01-11T06:00", "2026-01-11T06:00"),
        ("2026-07-10T20:00", "2026-07-11T05:00"),  # in summer
        ("2026-03-28T23:00", "2026-03-29T05:00"),  # the clock is put forward in that night
        ("2026-10-24T22:00", "2026-10-25T06:00"),  # and back in this one
    ],
)
def test_what_happens_in_quiet_hours_waits_for_their_end_there(now: str, due: str) -> None:
    assert due_at(None, NIGHT, at(now)) == at(due)


def test_quiet_hours_may_lie_within_a_day() -> None:
    noon = QuietHours(time(12), time(13, 30))
    assert [noon.holds(at(f"2026-01-10T{clock}")) for clock in ("11:59", "12:00", "13:29", "13:30")] == [
        *(False, True, True, False)
    ]


def test_a_digest_of_some_minutes_counts_from_what_begins_it() -> None:
    now = at("2026-01-10T10:07")
    assert due_at(Digest(every_minutes=30), None, now) == now + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-01-10T07:29", "2026-01-10T07:30"),
        ("2026-01-10T07:30", "2026-01-11T07:30"),
        ("2026-03-29T00:00", "2026-03-29T06:30"),
        ("2026-10-24T07:00", "2026-10-25T07:30"),
    ],
)
def test_a_daily_digest_comes_at_its_hour_there(now: str, due: str) -> None:
    assert Digest(at=time(8, 30), zone=BERLIN).due_at(at(now)) == at(due)


def test_a_time_that_the_change_of_clocks_leaves_out_comes_all_the_same() -> None:
    digest = Digest(at=time(2, 30), zone=BERLIN)
    assert digest.due_at(at("2026-03-28T12:00")) == at("2026-03-29T01:30")


def test_a_digest_that_would_come_in_quiet_hours_waits_for_their_end() -> None:
    assert due_at(Digest(every_minutes=60), NIGHT, at("2026-01-10T20:30")) == at("2026-01-11T06:00")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"from": "7:00", "to": "08:00"}, "quiet.from"),
        ({"from": "07:00", "to": "24:00"}, "quiet.to"),
        ({"from": "07:00", "to": "07:00"}, "quiet.to"),
        ({"from": "07:00", "to": "08:00", "zone": "Mars/Olympus"}, "quiet.zone"),
        ({"from": "07:00", "to": "08:00", "zone": "../etc/passwd"}, "quiet.zone"),
        ({"from": 7, "to": "08:00"}, "quiet.from"),
    ],
)
def test_wrong_quiet_hours_are_refused_by_their_field(given: dict[str, object], field: str) -> None:
    with pytest.raises(RuleError) as error:
        QuietHours.read(given)
    assert error.value.field == field


@pytest.mark.parametrize(
    "given",
    [{}, {"every_minutes": 4}, {"every_minutes": True}, {"every_minutes": 10, "at": "08:00"}, {"at": "8"}],
)
def test_a_wrong_digest_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(RuleError):
        Digest.read(given)
