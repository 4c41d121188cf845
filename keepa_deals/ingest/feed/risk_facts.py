"""The risks of a product, from one answer of ``/product``."""

from __future__ import annotations

from keepa_deals.deals import risks
from keepa_deals.deals.economics.fees import StorageRates
from keepa_deals.deals.risks import Risk
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.fields import at
from keepa_deals.keepa.product import Product


def risks_told(product: Product, storage: StorageRates | None) -> int:
    """The flags of what Keepa tells. Without a published standard size nothing is too large."""
    warned, stats = product.warnings, product.stats
    found = {
        Risk.MELTABLE: warned.heat_sensitive,
        Risk.HAZARDOUS: warned.hazardous,
        Risk.ADULT: warned.adult,
        Risk.HIDDEN_PRICE: warned.hidden_price,
        Risk.OVERSIZE: _is_oversize(product, storage),
    }
    if stats is not None:
        found[Risk.AMAZON_SELLS] = risks.amazon_sells(at(stats.out_of_stock_percent_90, CsvType.AMAZON))
        offers, usual = at(stats.current, CsvType.COUNT_NEW), at(stats.avg90, CsvType.COUNT_NEW)
        found[Risk.OFFERS_RISE] = risks.offers_rise(offers, usual)
    return sum(int(risk) for risk, holds in found.items() if holds)


def _is_oversize(product: Product, storage: StorageRates | None) -> bool:
    size = product.package
    if storage is None or None in (size.length, size.width, size.height, size.weight):
        return False
    sides = (size.length or 0, size.width or 0, size.height or 0)
    return not storage.is_standard(sides, size.weight or 0)
