"""A deal as the pages show it: its state, and how far its price is below its averages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keepa_deals.deals.economics.sell_price import Doubt
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.may_sell import MaySell, answer_of
from keepa_deals.deals.money import money
from keepa_deals.deals.risks import MEANINGS, risks_of
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.intervals import AVERAGES, PERCENTS, Interval
from keepa_deals.query.rows import DealRow
from keepa_deals.web.format import amazon_url, image_url, keepa_url, signed


def status_of(row: DealRow, as_of: AsOf) -> str:
    if row.ended_at is not None:
        return "ended"
    return "live" if row.last_seen_at >= as_of.live_since else "stale"


def tint(row: DealRow) -> int:
    """One of eight quiet tints, the same for a category wherever it appears."""
    return int(row.root_category or 0) % 8


USED_PRICES = frozenset({2, 9, 19, 20, 21, 22, 32})
"""Keepa's types of prices of used offers (``keepa.enums.USED``)."""
DOUBTS: Mapping[Doubt, str] = {
    Doubt.FAR_ABOVE: "above three times today’s price",
    Doubt.FEW_SALES: "rests on fewer than three sales",
    Doubt.UNUSUAL: "outside of what it was for nine days in ten of the year",
}
"""What speaks against a sale price, in words."""


BADGES: Mapping[MaySell, str] = {
    MaySell.ALLOWED: "may sell",
    MaySell.APPROVAL: "approval needed",
    MaySell.REFUSED: "may not sell",
}
"""Amazon's answer in a badge."""


def doubts_of(value: int | None) -> list[Doubt]:
    """The doubts that stored flags stand for."""
    return [doubt for doubt in DOUBTS if (value or 0) & doubt]


def doubt_names(value: int | None) -> list[str]:
    """The same for programs."""
    return [str(doubt.name).lower() for doubt in doubts_of(value)]


@dataclass(frozen=True, slots=True)
class Change:
    """How far the price is below an average: percent, and the amount where both are known."""

    interval: Interval
    average: int | None
    percent: int | None
    amount: int | None
    domain_id: int

    @property
    def percent_text(self) -> str:
        return "–" if self.percent is None else signed(f"{abs(self.percent)} %", self.percent)

    @property
    def amount_text(self) -> str:
        if self.amount is None:
            return "–"
        return signed(money(abs(self.amount), self.domain_id), self.amount)


def change(row: DealRow, interval: Interval) -> Change:
    """The change over an interval; positive numbers mean that the price fell."""
    average = getattr(row, AVERAGES[interval].key or "")
    amount = None if average is None or row.price is None else average - row.price
    percent = getattr(row, PERCENTS[interval].key or "")
    return Change(interval, average, percent, amount, row.domain_id)


@dataclass(frozen=True, slots=True)
class Presented:
    """A row with what the templates need beside the stored values."""

    row: DealRow
    status: str
    root: str
    """The prefix under which the reader has the dashboard; empty without one."""

    @property
    def address(self) -> str:
        """Of the deal's page."""
        return f"{self.root}/deals/{self.row.domain_id}/{self.row.asin}"

    @property
    def key(self) -> str:
        return f"{self.row.domain_id}-{self.row.asin}"

    @property
    def title_text(self) -> str:
        return self.row.title or f"Product {self.row.asin}"

    @property
    def tint(self) -> int:
        return tint(self.row)

    @property
    def market(self) -> str:
        return f"amazon.{marketplace(self.row.domain_id).tld}"

    @property
    def amazon_url(self) -> str:
        return amazon_url(self.row.domain_id, self.row.asin)

    @property
    def keepa_url(self) -> str:
        return keepa_url(self.row.domain_id, self.row.asin)

    @property
    def doubts(self) -> str:
        """What speaks against the sale price, in words; empty for nothing."""
        return "; ".join(DOUBTS[doubt] for doubt in doubts_of(self.row.sell_doubt))

    @property
    def answer(self) -> str:
        """Whether the seller may sell it, in a badge's words; empty where Amazon was not asked."""
        answer = answer_of(self.row.may_sell)
        return "" if answer is None else BADGES[answer]

    @property
    def is_used(self) -> bool:
        """Whether its price is of used offers: what is sold a month is told of all conditions together."""
        return self.row.price_type in USED_PRICES

    @property
    def risks(self) -> list[str]:
        """What may go wrong, each explained."""
        return [MEANINGS[risk] for risk in risks_of(self.row.risks)]

    def image(self, size: int) -> str | None:
        return image_url(self.row.image, size)

    def money(self, amount: int | None) -> str:
        return "–" if amount is None else money(amount, self.row.domain_id)


@dataclass(frozen=True, slots=True)
class Shown(Presented):
    """One deal on a page of its own, at a as_of."""

    now: datetime

    @property
    def stand_in(self) -> tuple[str, str, str] | None:
        """The variation that price and rank are of, where it is another one: ASIN, at Amazon, at Keepa."""
        asin, domain_id = self.row.shown_asin, self.row.domain_id
        if not asin or asin == self.row.asin:
            return None
        return asin, amazon_url(domain_id, asin), keepa_url(domain_id, asin)

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change(self.row, interval) for interval in Interval)


def shown(row: DealRow, as_of: AsOf, root: str = "") -> Shown:
    return Shown(row, status_of(row, as_of), root, as_of.now)
