"""How many deals the named views have, and what that may cost."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from keepa_deals.query import reader, view_counts
from keepa_deals.query.view_counts import Tallies
from tests.support.world import START

QUERIES = ["", "price_max=1", "price_max=2", "price_max=3"]


class Ground:
    """Counting takes ``takes`` seconds each; ``asked`` are the bounds that were counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: float) -> None:
        self.now, self.asked, self.takes, self.catching_up = 0.0, list[int](), takes, False
        monkeypatch.setattr(reader, "count", self._count)
        self.tallies = Tallies(lambda: self.now)

    def _count(self, _reads: Any, view: Any, _moment: Any) -> int:
        self.now += self.takes
        self.asked.append(view.values["price_max"] // 100)
        return 10 * self.asked[-1]

    def look(self) -> list[int]:
        reads: Any = SimpleNamespace(replica=SimpleNamespace(is_catching_up=self.catching_up))
        moment = reader.Moment(START, timedelta(hours=1))
        return list(self.tallies.of(QUERIES, reads, moment, 1).values())


def test_what_is_quick_is_counted_at_once_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch, 0.0001)
    assert ground.look() == [10, 20, 30]
    assert ground.look() == [10, 20, 30]
    assert ground.asked == [1, 2, 3]
    ground.now += view_counts.KEPT_SECONDS + 1
    ground.look()
    assert ground.asked == [1, 2, 3, 1, 2, 3]


def test_of_what_is_slow_each_request_counts_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = Ground(monkeypatch, 0.05)
    assert [ground.look() for _ in range(3)] == [[10], [10, 20], [10, 20, 30]]
    assert ground.asked == [1, 2, 3]


def test_while_the_copy_is_made_nothing_is_counted_and_nothing_old_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ground = Ground(monkeypatch, 0.0001)
    ground.look()
    ground.catching_up = True
    ground.now += view_counts.OLDEST_SECONDS - 1
    assert ground.look() == [10, 20, 30]
    ground.now += 2
    assert ground.look() == []
    assert ground.asked == [1, 2, 3]
