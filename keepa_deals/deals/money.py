"""Amounts as people of each marketplace write them. Prices come in the currency's smallest unit."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from babel.numbers import get_currency_precision, get_currency_symbol

from keepa_deals.formats import COUNT, Notation, money_notation, write
from keepa_deals.marketplaces import marketplace


def symbol(domain_id: int) -> str:
    """The currency as the marketplace writes it: ``$``, ``€``."""
    place = marketplace(domain_id)
    return str(get_currency_symbol(place.currency, locale=place.locale))


def digits(domain_id: int) -> int:
    """Decimal places of the currency: 2, or 0 for yen."""
    return int(get_currency_precision(marketplace(domain_id).currency))


def notation(domain_id: int) -> Notation:
    """How amounts in the currency's smallest unit are written there, for the server and for scripts."""
    place = marketplace(domain_id)
    return money_notation(place.currency, place.locale)


@lru_cache(maxsize=4096)
def money(amount: int, domain_id: int) -> str:
    """``amount`` smallest units as the marketplace writes them: ``$12.50``, ``12,50 €``, ``￥1,250``."""
    return write(amount, notation(domain_id))


@lru_cache(maxsize=4096)
def whole(number: int) -> str:
    """An integer with thousands separated: ``12,345``."""
    return write(number, COUNT)


def to_minor(value: Decimal, domain_id: int) -> int:
    """Currency units as typed by a person, in smallest units (``12.5`` dollars are 1250 cents), halves up."""
    return int(value.scaleb(digits(domain_id)).to_integral_value(ROUND_HALF_UP))


def from_minor(amount: int, domain_id: int) -> str:
    """Smallest units as a plain decimal for a form field or a file: ``1250`` is ``12.50``."""
    return str(Decimal(amount).scaleb(-digits(domain_id)))
