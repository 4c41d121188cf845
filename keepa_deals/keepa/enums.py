"""The indices of Keepa's arrays (api_backend: Product.CsvType; docs: Browsing Deals)."""

from __future__ import annotations

from enum import IntEnum


class CsvType(IntEnum):
    """The index of a kind of value in Keepa's arrays (api_backend: Product.CsvType)."""

    AMAZON = 0
    NEW = 1
    USED = 2
    SALES = 3
    LISTPRICE = 4
    COLLECTIBLE = 5
    REFURBISHED = 6
    NEW_FBM_SHIPPING = 7
    LIGHTNING_DEAL = 8
    WAREHOUSE = 9
    NEW_FBA = 10
    COUNT_NEW = 11
    COUNT_USED = 12
    COUNT_REFURBISHED = 13
    COUNT_COLLECTIBLE = 14
    EXTRA_INFO_UPDATES = 15
    RATING = 16
    COUNT_REVIEWS = 17
    BUY_BOX_SHIPPING = 18
    USED_NEW_SHIPPING = 19
    USED_VERY_GOOD_SHIPPING = 20
    USED_GOOD_SHIPPING = 21
    USED_ACCEPTABLE_SHIPPING = 22
    COLLECTIBLE_NEW_SHIPPING = 23
    COLLECTIBLE_VERY_GOOD_SHIPPING = 24
    COLLECTIBLE_GOOD_SHIPPING = 25
    COLLECTIBLE_ACCEPTABLE_SHIPPING = 26
    REFURBISHED_SHIPPING = 27
    EBAY_NEW_SHIPPING = 28
    EBAY_USED_SHIPPING = 29
    TRADE_IN = 30
    RENT = 31
    BUY_BOX_USED_SHIPPING = 32
    PRIME_EXCL = 33
    COUNT_NEW_FBA = 34
    COUNT_NEW_FBM = 35

    @property
    def has_shipping(self) -> bool:
        """Whether a history of this type comes in triples ``time, price, shipping``."""
        return self in _WITH_SHIPPING


USED = frozenset(map(CsvType, (2, 9, *range(19, 23), 32)))
"""Prices of used offers."""
_WITH_SHIPPING = frozenset({7, *range(18, 30), 32})

DEAL_PRICE_TYPES = frozenset(map(CsvType, (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 18, 19, 20, 21, 22, 32, 33)))
"""The price types that a deal query accepts (Keepa docs: Browsing Deals)."""


class Interval(IntEnum):
    """The index of a period in a deal's ``avg``, ``delta`` and ``deltaPercent`` arrays."""

    DAY = 0
    WEEK = 1
    MONTH = 2
    DAYS_90 = 3
