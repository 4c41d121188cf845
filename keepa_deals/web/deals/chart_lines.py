"""What the chart of a deal draws beside its price and rank: other lines, sales, and when Amazon was on it.

Keepa told these at the last look. After it they are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepa_deals.deals.money import money, whole
from keepa_deals.deals.price_history import Line, Past, Step
from keepa_deals.deals.price_shares import at_share, held_prices

YEAR = 365 * 1440
"""In minutes."""
LABELS = {
    Line.AMAZON: "Amazon",
    Line.NEW: "New",
    Line.USED: "Used",
    Line.BUY_BOX: "Buy box",
    Line.OFFERS: "Offers",
    Line.RATING: "Rating",
    Line.YEAR_BEFORE: "A year before",
}
SCALES = {Line.OFFERS: "count", Line.RATING: "rating"}
"""The other lines are amounts."""


@dataclass(frozen=True, slots=True)
class ChartLines:
    """The past as Keepa told it at ``read_at``."""

    past: Past
    read_at: datetime | None
    domain_id: int

    def series(self) -> list[dict[str, Any]]:
        """Each line with its name, label, scale, and its steps as Unix seconds and values."""
        return [
            {"name": line, "label": LABELS[line], "scale": SCALES.get(line, "money"), "steps": steps}
            for line, steps in ((line, self._steps(line)) for line in Line)
            if steps[0]
        ]

    def _steps(self, line: Line) -> list[list[Any]]:
        told = self.past.lines.get(line, ())
        if line is Line.YEAR_BEFORE:
            told = tuple((minute + YEAR, value) for minute, value in told)
        elif told and self._until is not None:
            told = (*told, (self._until, None))
        return [[60 * minute for minute, _ in told], [value for _, value in told]]

    def marks(self) -> dict[str, Any]:
        """The moments of sales, and the stretches in which Amazon had an offer, in Unix seconds."""
        return {
            "sales": [60 * minute for minute in self.past.sales],
            "amazon": [[60 * begin, 60 * end] for begin, end in self._on_it()],
        }

    def words(self) -> str:
        """What the marks and the year before show, in sentences; empty when Keepa told none of it."""
        return " ".join(filter(None, (self._sales(), self._amazon(), self._years())))

    @property
    def _until(self) -> int | None:
        return None if self.read_at is None else int(self.read_at.timestamp()) // 60

    def _on_it(self) -> Iterator[tuple[int, int]]:
        """The stretches in which Amazon had an offer."""
        told: Sequence[Step] = self.past.lines.get(Line.AMAZON, ())
        begin = None
        for minute, value in told:
            if value is not None and begin is None:
                begin = minute
            elif value is None and begin is not None:
                yield begin, minute
                begin = None
        if begin is not None and self._until is not None and begin < self._until:
            yield begin, self._until

    def _sales(self) -> str:
        count = len(self.past.sales)
        if not count:
            return ""
        return f"The rank fell {whole(count)} time{'' if count == 1 else 's'}: each fall is taken for a sale."

    def _amazon(self) -> str:
        told = self.past.lines.get(Line.AMAZON)
        if not told or self._until is None or self._until <= told[0][0]:
            return ""
        there = sum(end - begin for begin, end in self._on_it())
        return f"Amazon had an offer for {100 * there // (self._until - told[0][0])} % of the time."

    def _years(self) -> str:
        """The year beside the one before, by the price that half of the time was not exceeded."""
        before = self.past.lines.get(Line.YEAR_BEFORE)
        if not before or not self.past.prices or self._until is None:
            return ""
        now = at_share(held_prices(self.past.prices, self._until), 0.5)
        then = at_share(held_prices(before, before[-1][0]), 0.5)
        if now is None or then is None:
            return ""
        return (
            f"The middle price of the year is {money(now, self.domain_id)}, "
            f"of the year before {money(then, self.domain_id)}."
        )
