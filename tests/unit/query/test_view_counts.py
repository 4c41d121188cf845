"""How many deals the named views have, and what that may cost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from keepa_deals.marks.marks import NO_MARKS
from keepa_deals.query import view_counts
from keepa_deals.query.view import View
from keepa_deals.query.view_counts import ViewCounts

QUERIES = ["", "price_max=1", "price_max=2", "price_max=3"]


class Ground:
    """Counting takes ``takes`` seconds each; ``asked`` are the bounds that were counted."""

    def __init__(self, takes: float) -> None:
        self.now, self.asked, self.takes, self.catching_up = 0.0, list[int](), takes, False
        self.view_counts = ViewCounts(lambda: self.now)

    def count(self, view: View) -> int:
        self.now += self.takes
        self.asked.append(view.values["price_max"] // 100)
        return 10 * self.asked[-1]

    def look(self) -> list[int]:
        reader: Any = SimpleNamespace(marks=NO_MARKS, is_catching_up=self.catching_up, count=self.count)
        return list(self.view_counts.of(QUERIES, reader, 1).values())


def test_what_is_quick_is_counted_at_once_and_kept() -> None:
    ground = Ground(0.0001)
    assert ground.look() == [10, 20, 30]
    assert ground.look() == [10, 20, 30]
    assert ground.asked == [1, 2, 3]
    ground.now += view_counts.TTL_SECONDS + 1
    ground.look()
    assert ground.asked == [1, 2, 3, 1, 2, 3]


def test_of_what_is_slow_each_request_counts_one() -> None:
    ground = Ground(0.05)
    assert [ground.look() for _ in range(3)] == [[10], [10, 20], [10, 20, 30]]
    assert ground.asked == [1, 2, 3]


def test_while_the_cache_is_made_nothing_is_counted_and_nothing_old_is_shown() -> None:
    ground = Ground(0.0001)
    ground.look()
    ground.catching_up = True
    ground.now += view_counts.MAX_AGE_SECONDS - 1
    assert ground.look() == [10, 20, 30]
    ground.now += 2
    assert ground.look() == []
    assert ground.asked == [1, 2, 3]
