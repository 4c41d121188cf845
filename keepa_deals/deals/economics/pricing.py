"""How the seller reckons: what a unit costs beside its price, which fees hold, and the price to sell at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from keepa_deals.deals.economics import fees
from keepa_deals.deals.economics.fees import FeeSchedule


@dataclass(frozen=True, slots=True)
class Costs:
    """What the seller adds to each unit."""

    prep: int = 0
    shipping: int = 0
    """To Amazon's warehouse."""
    placement: int = 0
    """Amazon's fee for taking a unit in, and for moving it on."""
    ship_out: int | None = None
    """To the buyer, where the seller ships; ``None`` until it is told."""


@dataclass(frozen=True, slots=True)
class Buying:
    """What buying adds to the price."""

    shipping: int = 0
    """Of the whole order."""
    quantity: int = 1
    """Units of an order."""
    tax: int = 0
    """Sales tax in basis points of price and shipping; 0 for who is exempt."""


@dataclass(frozen=True, slots=True)
class Returns:
    """What returns cost, in basis points of the sale, by what Keepa tells of how often they happen."""

    low: int = 0
    usual: int = 0
    high: int = 0


class VatScheme(StrEnum):
    """How the seller stands to VAT."""

    NONE = "none"
    """VAT is no matter here, as in the United States."""
    NOT_REGISTERED = "not_registered"
    """No VAT on sales, none back; Amazon's fees cost theirs."""
    REGISTERED = "registered"
    """VAT is due on sales, and what was paid comes back."""
    FLAT_RATE = "flat_rate"
    """A share of the sales is due, and nothing comes back."""


@dataclass(frozen=True, slots=True)
class Vat:
    """The seller's VAT."""

    scheme: VatScheme = VatScheme.NONE
    flat_rate: int = 0
    """Basis points of the sale."""
    on_buying: bool = True
    """Whether the price that is paid holds VAT that comes back to a registered seller."""


class Fulfilment(StrEnum):
    """Who ships to the buyer."""

    FBA = "fba"
    """Amazon, out of its warehouse."""
    FBM = "fbm"
    """The seller."""


class SellPrice(StrEnum):
    """Which price the seller expects to get."""

    AVERAGE_90 = "average_90"
    """The average of the last 90 days."""
    AVERAGE_30 = "average_30"
    """The average of the last month: closer to today's market, less steady."""
    AVERAGE_180 = "average_180"
    AVERAGE_365 = "average_365"
    """The average of half a year, or of a year."""
    BUY_BOX = "buy_box"
    """The buy box at the last enrichment, of the deal's condition."""
    ROBUST = "robust"
    """The median of the prices that stood when it sold (``robust.py``)."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """All that a calculation depends on beside the deal."""

    costs: Costs = field(default_factory=Costs)
    sell: SellPrice = SellPrice.AVERAGE_90
    buying: Buying = field(default_factory=Buying)
    returns: Returns = field(default_factory=Returns)
    vat: Vat = field(default_factory=Vat)
    fulfilment: Fulfilment = Fulfilment.FBA
    storage_months: int = 0
    month: int = 1
    """Of the year: storage has seasons."""
    schedule: FeeSchedule = field(default_factory=fees.built_in)

    def stamp(self, domain_id: int) -> str:
        """Tells pricings that may come out differently apart."""
        storage = self.schedule.of(domain_id).storage
        season = self.storage_months and storage is not None and self.month in storage.peak_months
        told = (self.costs, self.sell, self.buying, self.returns, self.vat, self.fulfilment)
        text = repr((told, self.storage_months, season, self.schedule.stamp))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


DEFAULT = Pricing()
