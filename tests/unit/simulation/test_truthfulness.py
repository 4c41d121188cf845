"""The figures of a simulation count what they are said to count; each case is a few minutes told by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from keepa_deals.ingest.upsert.state import NEVER, SweepState
from tests.support.simulation.run import Event, Traffic
from tests.support.simulation.truthfulness import Figures, Keeping
from tests.support.worlds.door import CheckedWorld

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = 60


class Story:
    """A deployment and a world whose minutes are told: who is listed, and what is shown, from when on."""

    def __init__(self, families: Mapping[str, str] | None = None, *, settled: float = 0.0) -> None:
        self.minute = 0.0
        self.truth: dict[str, int] = {}
        self.live: dict[str, int | None] = {}
        self.between: dict[float, dict[str, int]] = {}
        self.state = SweepState("story", NEVER)
        self.traffic = Traffic()
        self.context = SimpleNamespace(fresh_for=timedelta(minutes=WINDOW))
        self.clock = SimpleNamespace(monotonic=lambda: self.minute * 60)
        self._families = families or {}
        self._events: list[Event] = []
        self.world = CheckedWorld(self, "story")
        self.figures = Figures(self, settled, settled)  # type: ignore[arg-type]

    # as a world
    def answer(self, *_: object) -> Any:
        raise AssertionError

    def listed(self, at: float) -> dict[str, int]:
        return self.between.get(round((at - START.timestamp()) / 60, 3), self.truth)

    def family(self, asin: str) -> str:
        return self._families.get(asin, asin)

    # as a deployment
    def unix(self) -> float:
        return START.timestamp() + self.minute * 60

    def sweep_state(self) -> SweepState:
        return self.state

    def shown(self) -> dict[str, int | None]:
        return dict(self.live)

    def events(self, after: int) -> list[Event]:
        return [event for event in self._events if event.id > after]

    # the telling
    def event(self, kind: str, asin: str, minute: float, reason: str | None = None) -> None:
        at = START.timestamp() + minute * 60
        self._events.append(Event(len(self._events) + 1, asin, at, kind, reason))

    def until(self, minute: int) -> Figures:
        while self.minute < minute:
            self.minute += 1
            self.figures.look()
        return self.figures


def test_a_price_is_right_for_a_window_after_keepa_listed_it_last() -> None:
    story = Story()
    story.truth, story.live = {"A": 100}, {"A": 100}
    story.until(10)
    story.truth = {"A": 90}
    assert story.until(71).right == 71, "one minute is borne"
    assert story.until(80).right == 71
    story.live = {"A": 90}
    assert story.until(90).right == 81


def test_a_price_of_a_sibling_is_right_and_no_price_is_wrong() -> None:
    story = Story({"A": "F", "B": "F"})
    story.truth, story.live = {"B": 100}, {"A": 100, "C": None}
    figures = story.until(3)
    assert (figures.right, figures.pairs) == (3, 6)


def test_a_family_must_be_shown_after_a_window_without_a_gap_and_one_member_stands_for_it() -> None:
    story = Story({"A": "F", "B": "F"})
    story.truth = {"A": 100, "C": 5}
    assert story.until(60).must == 0
    story.live = {"B": 100}
    figures = story.until(62)
    assert (figures.must, figures.there, figures.worst) == (4, 2, 0.5)
    story.truth = {"A": 100}
    story.until(63)
    story.truth = {"A": 100, "C": 5}
    before = figures.must
    story.until(73)
    assert figures.must - before == 10, "C has to be listed for a window again"


def test_what_the_plan_does_not_keep_need_not_be_shown() -> None:
    story = Story()
    story.truth = {"A": 100, "B": 100}
    story.traffic.dates = {"A": 7_900_000, "B": 7_980_000}
    story.state = replace(story.state, horizon=datetime(2026, 2, 25, tzinfo=UTC))  # Keepa minute 7,974,720
    story.live = {"B": 100}
    assert story.until(61).must == 1


def test_a_family_that_must_be_shown_and_goes_is_dropped_once() -> None:
    story = Story()
    story.truth, story.live = {"A": 1, "B": 1}, {"A": 1, "B": 1}
    story.until(62)
    story.live = {"A": 1}
    assert story.until(65).dropped == {"B"}


def test_an_end_is_false_while_keepa_lists_the_deal_or_a_sibling_at_that_moment() -> None:
    story = Story({"A": "F", "B": "F"})
    story.truth, story.live = {"B": 1, "C": 1, "D": 1}, {"A": 1, "C": 1, "D": 1}
    story.until(5)
    story.event("ended", "A", 5.5, "no_longer_matches")
    story.between[5.7] = {"B": 1, "D": 1}
    story.event("ended", "C", 5.7, "price_recovered")
    story.event("ended", "D", 5.8, "merged")
    figures = story.until(6)
    assert (figures.ends, figures.false_ends) == (2, 1)
    assert [(mark.what, mark.asin, mark.family) for mark in figures.marks] == [
        ("false end (no_longer_matches)", "A", "F")
    ]


def test_a_deal_that_comes_back_after_a_true_end_is_announced_rightly() -> None:
    story = Story()
    story.truth, story.live = {"A": 1}, {"A": 1}
    story.until(5)
    story.between[5.5] = {}
    story.event("ended", "A", 5.5)
    story.live = {}
    story.until(6)
    story.event("returned", "A", 6.5)
    assert story.until(7).returned == 0


def test_a_deal_that_keepa_listed_all_along_is_not_new() -> None:
    story = Story()
    story.truth, story.live = {"A": 1}, {"A": 1}
    story.until(5)
    story.event("ended", "A", 5.5)
    story.live = {}
    story.until(6)
    story.event("returned", "A", 6.5)
    story.live = {"A": 1}
    figures = story.until(7)
    assert (figures.false_ends, figures.returned) == (1, 1)


def test_one_that_went_stale_more_than_a_window_ago_may_be_announced_again() -> None:
    story = Story()
    story.truth, story.live = {"A": 1}, {"A": 1}
    story.until(5)
    story.live = {}
    story.until(70)
    story.event("returned", "A", 70.5)
    assert story.until(71).returned == 0


def test_a_sibling_is_not_new_while_a_row_of_its_family_is_live() -> None:
    story = Story({"A": "F", "B": "F", "C": "G", "D": "G"})
    story.truth, story.live = {"A": 1}, {"A": 1}
    story.until(5)
    story.event("found", "B", 5.5)
    story.event("found", "C", 5.6)
    story.event("found", "D", 5.6)
    figures = story.until(6)
    assert [mark.asin for mark in figures.marks] == ["B"], "C and D are announced at one moment"


@pytest.mark.parametrize(
    ("gone_for", "overstayed", "late"), [(60, 0, 0), (61, 0, 0), (62, 1, 0), (121, 1, 0), (122, 1, 1)]
)
def test_a_deal_overstays_after_one_window_and_ends_late_after_two(
    gone_for: int, overstayed: int, late: int
) -> None:
    story = Story()
    story.truth, story.live = {"A": 1}, {"A": 1}
    story.until(10)
    story.truth = {}
    figures = story.until(10 + gone_for)
    assert (figures.overstayed, figures.late_ends) == (overstayed, late)


def _envelope(left: int, cost: int, at: float, rate: int = 20) -> dict[str, Any]:
    return {"tokensLeft": left, "tokensConsumed": cost, "refillRate": rate, "timestamp": round(at * 1000)}


def test_the_tokens_that_came_are_what_the_envelopes_show_and_what_a_full_bucket_lost() -> None:
    traffic = Traffic()
    traffic.note("upserter", "/deal 0", 200, _envelope(15, 5, 0))
    assert (traffic.consumed, traffic.came) == (5, 20)
    traffic.note("upserter", "/product", 200, _envelope(5, 30, 61))
    assert (traffic.consumed, traffic.came) == (35, 40)
    traffic.note("upserter", "/token", 200, _envelope(1200, 0, 61 + 100 * 60))
    assert (traffic.consumed, traffic.came) == (35, 2040)
    traffic.note("upserter", "/deal 0", 502, None)
    assert traffic.statuses == {200: 3, 502: 1}


def test_keeping_is_counted_between_two_reads_of_a_sweeps_third_page() -> None:
    keeping, spent = Keeping(WINDOW), Traffic().spent
    for minute in range(181):
        spent["upserter", "/deal 0"] += 5  # each minute, for what is new
        if minute % 60 == 20:
            for page in (1, 2, 3):
                spent["upserter", f"/deal {page}"] += 5
        keeping.count(spent, 600)
    assert keeping.ratio == pytest.approx(1.0)
