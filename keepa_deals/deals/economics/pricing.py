"""How the seller reckons: what is added to each unit, and which price the unit is expected to sell at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Costs:
    """What the seller adds to each unit: preparation, and shipping to the warehouse."""

    prep: int = 0
    shipping: int = 0


class SellPrice(StrEnum):
    """Which price the seller expects to get."""

    AVERAGE_90 = "average_90"
    """The average of the last 90 days."""
    AVERAGE_30 = "average_30"
    """The average of the last month: closer to today's market, less steady."""
    BUY_BOX = "buy_box"
    """The buy box at the last enrichment. Where it is not known an average stands for it, and is marked."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """What the seller adds to each unit, and the price to sell at."""

    costs: Costs = field(default_factory=Costs)
    sell: SellPrice = SellPrice.AVERAGE_90


DEFAULT = Pricing()
