"""Why a deal ended, in the words of a reader."""

from __future__ import annotations

from collections.abc import Mapping

ENDED_REASONS: Mapping[str, str] = {
    "price_recovered": "the price recovered",
    "out_of_stock": "out of stock",
    "no_longer_matches": "it no longer matches the selection",
    "product_gone": "the product is gone",
    "no_longer_listed": "Keepa’s list no longer shows it, though its product page says that the price holds",
    "merged": "another variation of the same product stands for it",
    "search_removed": "the search that listed it was removed",
}
