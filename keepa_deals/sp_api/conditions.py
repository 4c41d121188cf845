"""The condition that a deal's price is of, by Amazon's names (listingsRestrictions: ``conditionType``)."""

from __future__ import annotations

from collections.abc import Mapping

from keepa_deals.keepa.enums import CsvType

NEW = "new_new"
_BY_TYPE: Mapping[CsvType, str] = {
    CsvType.USED: "used_good",
    CsvType.WAREHOUSE: "used_good",
    CsvType.BUY_BOX_USED_SHIPPING: "used_good",
    CsvType.USED_NEW_SHIPPING: "used_like_new",
    CsvType.USED_VERY_GOOD_SHIPPING: "used_very_good",
    CsvType.USED_GOOD_SHIPPING: "used_good",
    CsvType.USED_ACCEPTABLE_SHIPPING: "used_acceptable",
    CsvType.COLLECTIBLE: "collectible_good",
    CsvType.COLLECTIBLE_NEW_SHIPPING: "collectible_like_new",
    CsvType.COLLECTIBLE_VERY_GOOD_SHIPPING: "collectible_very_good",
    CsvType.COLLECTIBLE_GOOD_SHIPPING: "collectible_good",
    CsvType.COLLECTIBLE_ACCEPTABLE_SHIPPING: "collectible_acceptable",
    CsvType.REFURBISHED: "refurbished_refurbished",
    CsvType.REFURBISHED_SHIPPING: "refurbished_refurbished",
}
CONDITIONS = (NEW, *dict.fromkeys(_BY_TYPE.values()))
"""Those that are asked about."""


def condition_of(price_type: int) -> str:
    """The condition in which a deal of this price type would be sold; new where the type names none.

    A price that says "used" and no grade is asked about as ``used_good``.
    """
    return _BY_TYPE.get(CsvType(price_type), NEW) if price_type in set(CsvType) else NEW
