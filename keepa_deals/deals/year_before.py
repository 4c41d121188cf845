"""The price of a deal in the year before the one that is kept, month by month. Pure.

Keepa is asked for one year. What was kept at an earlier look, and has left that year since, is known still.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from keepa_deals.deals.price_history import Line, Past, Step, Steps, changes
from keepa_deals.deals.price_shares import at_share, held_prices

YEAR = 365 * 1440
"""In minutes."""


def year_before(kept: Past, kept_until: int, since: int) -> Steps:
    """The median of each month of the year before ``since``, as far as what was kept tells.

    What was kept ends at ``kept_until``. A month of which nothing is known is a gap.
    """
    told = [*_earlier(kept), *kept.prices, (kept_until, None)]
    found = [(begin, _median(told, begin, end)) for begin, end in _months(since - YEAR, since)]
    known = changes([*found, (since, None)])
    return known if any(value is not None for _, value in known) else ()


def _earlier(kept: Past) -> Iterator[Step]:
    first = kept.prices[0][0] if kept.prices else None
    return (step for step in kept.lines.get(Line.YEAR_BEFORE, ()) if first is None or step[0] < first)


def _median(told: Sequence[Step], begin: int, end: int) -> int | None:
    """The median of a stretch, by the time that each price held."""
    before = [value for minute, value in told if minute <= begin]
    inside = [step for step in told if begin < step[0] < end]
    held = held_prices([(begin, before[-1] if before else None), *inside], end)
    return at_share(held, 0.5)


def _months(since: int, until: int) -> Iterator[tuple[int, int]]:
    """The calendar months of a stretch, by UTC; the first and the last may be parts."""
    begin = since
    while begin < until:
        end = min(until, _next_month(begin))
        yield begin, end
        begin = end


def _next_month(minute: int) -> int:
    at = datetime.fromtimestamp(60 * minute, UTC)
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return int(following.timestamp()) // 60
