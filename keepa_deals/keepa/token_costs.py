"""What a Keepa call costs by the documented table, in tokens (Keepa docs: Token costs).

The documented price is an estimate: only ``tokensConsumed`` in the answer is the truth. A call
is named by its *kind* (``deal``, ``product``, ``product+rating``, …), the key under which the
token manager learns what it really costs.
"""

from __future__ import annotations

from dataclasses import dataclass

from keepa_deals.keepa.enums import CsvType

DEAL_PAGE_TOKENS = 5
DEALS_PER_PAGE = 150
MAX_DEALS_PER_QUERY = 10_000
MAX_ASINS_PER_REQUEST = 100
OFFERS_PER_PAGE = 10
OFFER_PAGE_TOKENS = 6

DEAL_KIND = "deal"

_OFFERS_ONLY = frozenset(map(CsvType, (7, 9, 10, *range(19, 28), 31, 33)))
_RATINGS = frozenset({CsvType.RATING, CsvType.COUNT_REVIEWS})
_BUY_BOX = frozenset({CsvType.BUY_BOX_SHIPPING, CsvType.BUY_BOX_USED_SHIPPING})


@dataclass(frozen=True, slots=True)
class ProductOptions:
    """The options of a ``/product`` call that change its answer or its price.

    ``update_hours`` -1: Keepa answers from what it has and never refreshes a product first, which takes up to
    a minute; ``None`` leaves it to Keepa (live when its data are older than an hour).
    """

    stats_days: int | None = 90
    history: bool = False
    days: int | None = None
    rating: bool = False
    buybox: bool = False
    offers: int | None = None
    stock: bool = False
    update_hours: int | None = -1

    @property
    def kind(self) -> str:
        """The name under which the price of this kind of call is learned, such as ``product+buybox``."""
        parts = ["product"]
        parts += [name for name in ("rating", "buybox", "stock") if getattr(self, name)]
        if self.offers:
            parts.append(f"offers{self.offers}")
        if self.update_hours is not None and self.update_hours >= 0:
            parts.append(f"update{self.update_hours}")
        return "+".join(parts)

    def tells(self, kind: CsvType) -> bool:
        """Whether ``/product`` with these options tells the value of a type.

        Where it does not, the arrays hold -1 or -2, which looks like "no offer" and says nothing
        (Keepa docs: Product Object; api_backend: ``Product.CsvType.isExtraData``).
        """
        if self.offers:
            return True
        if kind in _RATINGS:
            return self.rating
        if kind in _BUY_BOX:
            return self.buybox
        return kind not in _OFFERS_ONLY

    def documented_tokens_per_product(self) -> int:
        """The most that one found product costs by the documented table."""
        tokens = 1
        if self.offers:
            tokens = OFFER_PAGE_TOKENS * -(-self.offers // OFFERS_PER_PAGE)
            tokens += 2 if self.stock else 0
        tokens += 1 if self.rating else 0
        tokens += 2 if self.buybox else 0
        tokens += 1 if self.update_hours == 0 else 0
        return tokens
