"""Numbers as people of each Amazon locale write them. Prices come in the currency's smallest unit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from babel.numbers import get_currency_precision, get_currency_symbol

from keepa_deals.formats import COUNT, Notation, as_data, money_notation, write


@dataclass(frozen=True, slots=True)
class Market:
    """What one Amazon locale is called and how it writes money."""

    domain_id: int
    tld: str
    name: str
    currency: str
    locale: str

    @property
    def symbol(self) -> str:
        """The currency as the locale writes it: ``$``, ``€``."""
        return str(get_currency_symbol(self.currency, locale=self.locale))

    @property
    def digits(self) -> int:
        """Decimal places of the currency: 2, or 0 for yen."""
        return int(get_currency_precision(self.currency))

    @property
    def written(self) -> Notation:
        """How amounts in the currency's smallest unit are written here."""
        return money_notation(self.currency, self.locale)

    @property
    def notation(self) -> dict[str, Any]:
        """The same for the scripts of a page."""
        return as_data(self.written)


MARKETS = {
    market.domain_id: market
    for market in (
        Market(1, "com", "United States", "USD", "en_US"),
        Market(2, "co.uk", "United Kingdom", "GBP", "en_GB"),
        Market(3, "de", "Germany", "EUR", "de_DE"),
        Market(4, "fr", "France", "EUR", "fr_FR"),
        Market(5, "co.jp", "Japan", "JPY", "ja_JP"),
        Market(6, "ca", "Canada", "CAD", "en_CA"),
        Market(8, "it", "Italy", "EUR", "it_IT"),
        Market(9, "es", "Spain", "EUR", "es_ES"),
        Market(10, "in", "India", "INR", "en_IN"),
        Market(11, "com.mx", "Mexico", "MXN", "es_MX"),
        Market(12, "com.br", "Brazil", "BRL", "pt_BR"),
    )
}


def market(domain_id: int) -> Market:
    """The market of a Keepa domain; an unknown one is shown like the United States'."""
    return MARKETS.get(domain_id) or Market(domain_id, "com", f"domain {domain_id}", "USD", "en_US")


@lru_cache(maxsize=1 << 16)
def money(amount: int, domain_id: int) -> str:
    """``amount`` smallest units as the locale writes them: ``$12.50``, ``12,50 €``, ``￥1,250``."""
    return write(amount, market(domain_id).written)


@lru_cache(maxsize=1 << 16)
def whole(number: int) -> str:
    """An integer with thousands separated: ``12,345``."""
    return write(number, COUNT)


def to_minor(value: Decimal, domain_id: int) -> int:
    """Currency units as typed by a person, in smallest units (``12.5`` dollars are 1250 cents), halves up."""
    return int(value.scaleb(market(domain_id).digits).to_integral_value(ROUND_HALF_UP))


def from_minor(amount: int, domain_id: int) -> str:
    """Smallest units as a plain decimal for a form field or a file: ``1250`` is ``12.50``."""
    return str(Decimal(amount).scaleb(-market(domain_id).digits))
