"""How many deals each named view has, without a page waiting for it.

A count is kept for some seconds, and a request spends only a few milliseconds on those that are due: the
next one goes on. So fifty views over a million deals cost a page no more than six over a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from keepa_deals.query.parse import parse_query
from keepa_deals.query.reader import DealReader
from keepa_deals.query.view import View

TTL_SECONDS = 10.0
MAX_AGE_SECONDS = 60.0
"""A count that is older is not shown."""
SPENT_SECONDS = 0.004
"""Of one request; the first count that is due is made whatever it takes."""


class ViewCounts:
    """The counts of one application. ``monotonic`` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[tuple[int | None, str], tuple[float, int]] = {}

    def of(self, queries: Iterable[str], reader: DealReader, domain_id: int) -> dict[str, int]:
        """How many deals the views with these query strings have, as far as it is known.

        Readers who marked nothing share theirs. Views that filter nothing are left out: their count stands on
        the page anyhow.
        """
        began = self._monotonic()
        whose = None if reader.marks.is_empty else reader.marks.book
        may_count = not reader.is_catching_up
        counts: dict[str, int] = {}
        for query in queries:
            view = _parsed(query, domain_id)
            if not view.is_filtered:
                continue
            at, count = self._kept.get((whose, query), (began - 2 * MAX_AGE_SECONDS, 0))
            if may_count and began - at > TTL_SECONDS:
                at, count = began, reader.count(view)
                self._kept[whose, query] = at, count
                may_count = self._monotonic() - began < SPENT_SECONDS
            if began - at <= MAX_AGE_SECONDS:
                counts[query] = count
        self._forget(began)
        return counts

    def _forget(self, now: float) -> None:
        """Those of views that nobody names any more."""
        for key in [key for key, (at, _) in self._kept.copy().items() if now - at > MAX_AGE_SECONDS]:
            self._kept.pop(key, None)


@lru_cache(maxsize=256)
def _parsed(query: str, domain_id: int) -> View:
    return parse_query(query, domain_id=domain_id)
