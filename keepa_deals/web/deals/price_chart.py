"""The history of a deal as the chart draws it, as a table, and in a sentence: Keepa's, then ours.

Keepa's own history leads up to the first record of ours, and from there on ours goes on: no moment has two
values, and each says whose it is. A value holds until the next one; where there was no offer, or nobody
knows, there is a gap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keepa_deals.deals.money import money, whole
from keepa_deals.deals.price_history import Past, Step
from keepa_deals.query.rows import PointRow
from keepa_deals.web.deals.chart_lines import ChartLines
from keepa_deals.web.deals.detail import DealDetail

MAX_CHARTED = 800
"""Records of ours, the newest; Keepa's history is bounded where it is kept."""
MAX_ROWS = 60
AVERAGED = timedelta(days=90)
NOTHING = Past((), ())

Column = list[int | None]


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the table. ``average`` is known of our own records only."""

    at: datetime
    price: int | None
    average: int | None
    rank: int | None
    by_keepa: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """Keepa's steps that are older than ``points``, the records of ours, oldest first; known ``until``."""

    keepa: Past
    points: Sequence[PointRow]
    until: datetime
    average: int | None
    """Of the 90 days before ``until``."""
    lines: ChartLines
    """What else Keepa told."""
    domain_id: int

    @property
    def joined_at(self) -> datetime | None:
        """Where Keepa's history ends and ours begins; ``None`` when one of them is missing."""
        return self.points[0].at if self.points and (self.keepa.prices or self.keepa.ranks) else None

    def columns(self) -> list[Column]:
        """Unix seconds, then Keepa's price, our price, the average, Keepa's rank, our rank."""
        last = int(self.until.timestamp())
        starts = [int(point.at.timestamp()) for point in self.points]
        end = starts[0] if starts else last
        told = sorted({minute * 60 for minute, _ in (*self.keepa.prices, *self.keepa.ranks)})
        moments = [*(at for at in told if at < end), *dict.fromkeys((*starts, max(last, *starts, 0)))]
        if not told and not starts:
            return [[] for _ in range(6)]
        since = last - int(AVERAGED.total_seconds())
        return [
            [*moments],
            _in_force(self.keepa.prices, moments, end),
            _ours([point.price for point in self.points], starts, moments),
            [self.average if at >= since else None for at in moments],
            _in_force(self.keepa.ranks, moments, end),
            _ours([point.sales_rank for point in self.points], starts, moments),
        ]

    def rows(self) -> list[Record]:
        """The newest records: all of ours, and Keepa's changes of price."""
        ours = [Record(p.at, p.price, p.price_avg_90, p.sales_rank, by_keepa=False) for p in self.points]
        return [*ours[::-1], *self._told()][:MAX_ROWS]

    def _told(self) -> Iterator[Record]:
        """Keepa's changes of price before our first record, the newest first."""
        rank_at = [minute for minute, _ in self.keepa.ranks]
        for minute, price in reversed(self.keepa.prices):
            known = bisect_right(rank_at, minute)
            rank = self.keepa.ranks[known - 1][1] if known else None
            yield Record(datetime.fromtimestamp(minute * 60, UTC), price, None, rank, by_keepa=True)

    def words(self) -> str:
        """What the chart shows, in a sentence for those who don't see it."""
        told = [(price, datetime.fromtimestamp(minute * 60, UTC)) for minute, price in self.keepa.prices]
        prices = [*told, *((p.price, p.at) for p in self.points)]
        known = [(price, at) for price, at in prices if price is not None]
        if not known:
            return "No price was recorded yet."
        low, high = min(known), max(known)
        return f"{self._sources()}{self._range(low, high)} {self.lines.words()}".rstrip()

    def _sources(self) -> str:
        ours = f"{whole(len(self.points))} record{'' if len(self.points) == 1 else 's'}"
        if self.joined_at is not None:
            return f"Until {self.joined_at:%Y-%m-%d %H:%M} UTC told by Keepa, from then on {ours} of ours: "
        if not self.points:
            return "Told by Keepa: "
        return f"{ours} since {self.points[0].at:%Y-%m-%d %H:%M} UTC: "

    def _range(self, low: tuple[int, datetime], high: tuple[int, datetime]) -> str:
        if low[0] == high[0]:
            return f"the price stayed at {money(low[0], self.domain_id)}."
        return (
            f"the lowest price was {money(low[0], self.domain_id)} ({low[1]:%Y-%m-%d %H:%M}), "
            f"the highest {money(high[0], self.domain_id)} ({high[1]:%Y-%m-%d %H:%M})."
        )


def curve(detail: DealDetail) -> Curve:
    """The history of a deal. Only of our latest records, when there are very many."""
    points = detail.points[-MAX_CHARTED:]
    first = int(points[0].at.timestamp()) // 60 if points else None
    told = detail.past or NOTHING
    return Curve(
        keepa=Past(_before(told.prices, first), _before(told.ranks, first)),
        points=points,
        until=detail.row.ended_at or detail.row.last_seen_at,
        average=detail.row.price_avg_90,
        lines=ChartLines(told, detail.past_read_at, detail.row.domain_id),
        domain_id=detail.row.domain_id,
    )


def _before(steps: Sequence[Step], minute: int | None) -> tuple[Step, ...]:
    return tuple(step for step in steps if minute is None or step[0] < minute)


def _in_force(steps: Sequence[Step], moments: Sequence[int], end: int) -> Column:
    """Keepa's value at each moment up to ``end``, where ours begins."""
    values, starts = [value for _, value in steps], [minute * 60 for minute, _ in steps]
    return [_value(values, starts, at) if at <= end else None for at in moments]


def _ours(values: Sequence[int | None], starts: Sequence[int], moments: Sequence[int]) -> Column:
    return [_value(values, starts, at) for at in moments]


def _value(values: Sequence[int | None], starts: Sequence[int], at: int) -> int | None:
    known = bisect_right(starts, at)
    return values[known - 1] if known else None
