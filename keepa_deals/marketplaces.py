"""Amazon's marketplaces by Keepa's domain id (Keepa docs: Browsing Deals, ``domainId``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marketplace:
    """One of Amazon's shops: ``amazon.<tld>``, its currency (ISO 4217) and how people there write (CLDR)."""

    domain_id: int
    tld: str
    name: str
    currency: str
    locale: str

    @property
    def minor_digits(self) -> int:
        """Decimal places of the currency (ISO 4217)."""
        return 0 if self.currency == "JPY" else 2


MARKETPLACES: Mapping[int, Marketplace] = {
    place.domain_id: place
    for place in (
        Marketplace(1, "com", "United States", "USD", "en_US"),
        Marketplace(2, "co.uk", "United Kingdom", "GBP", "en_GB"),
        Marketplace(3, "de", "Germany", "EUR", "de_DE"),
        Marketplace(4, "fr", "France", "EUR", "fr_FR"),
        Marketplace(5, "co.jp", "Japan", "JPY", "ja_JP"),
        Marketplace(6, "ca", "Canada", "CAD", "en_CA"),
        Marketplace(8, "it", "Italy", "EUR", "it_IT"),
        Marketplace(9, "es", "Spain", "EUR", "es_ES"),
        Marketplace(10, "in", "India", "INR", "en_IN"),
        Marketplace(11, "com.mx", "Mexico", "MXN", "es_MX"),
        Marketplace(12, "com.br", "Brazil", "BRL", "pt_BR"),
    )
}


def marketplace(domain_id: int) -> Marketplace:
    """The marketplace of a Keepa domain; an unknown one is shown like the United States'."""
    known = MARKETPLACES.get(domain_id)
    return known or Marketplace(domain_id, "com", f"domain {domain_id}", "USD", "en_US")
