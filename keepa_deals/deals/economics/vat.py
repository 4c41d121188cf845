"""VAT, by the seller's scheme. Prices that consumers see hold it; Amazon's fees come without it, but some.

- not registered: none is due and none comes back. Amazon's fees cost theirs.
- registered: the sale holds what is due. What the fees and the purchase cost comes back.
- flat rate: a share of the sale is due. Nothing comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from keepa_deals.deals.economics.fees import MarketFees, VatRates
from keepa_deals.deals.economics.pricing import Vat, VatScheme
from keepa_deals.deals.economics.rounding import WHOLE, half_up, share
from keepa_deals.deals.economics.terms import (
    FEE_FILE,
    NOT_PUBLISHED,
    UNKNOWN,
    Certainty,
    Known,
    Source,
    TermName,
    yours,
)


class Rates(NamedTuple):
    """The rates that hold for a deal, as terms."""

    on_sale: Known
    on_fees: Known
    on_buying: Known


NO_VAT = Rates(yours(0), yours(0), yours(0))


def rates_of(seller: Vat, fees: MarketFees, root: int | None) -> Rates:
    """The rates of a root category for a seller. Without a rule for the marketplace they are unknown."""
    if seller.scheme is VatScheme.NONE:
        return NO_VAT
    rates = fees.vat
    if rates is None:
        unknown = FEE_FILE if fees.problem else NOT_PUBLISHED
        return Rates(unknown, unknown, unknown)
    of_fees, of_goods = _law(rates.standard), _law(rates.rate(root))
    match seller.scheme:
        case VatScheme.NOT_REGISTERED:
            return Rates(yours(0), of_fees, yours(0))
        case VatScheme.FLAT_RATE:
            return Rates(yours(seller.flat_rate), of_fees, yours(0))
        case _:
            back = of_goods if seller.on_buying else yours(0)
            return Rates(of_goods, of_fees if rates.fba_fee_includes_it else yours(0), back)


def _law(rate: int | None) -> Known:
    return UNKNOWN if rate is None else Known(rate, Source.LAW, Certainty.SURE)


def within(amount: int, rate: int) -> int:
    """The VAT that an amount holds."""
    return half_up(amount * rate, WHOLE + rate)


def due(scheme: VatScheme, sell: int | None, rate: int | None) -> int | None:
    """What a sale adds to the profit by the VAT on it: nothing, or less."""
    if rate == 0:
        return 0
    if sell is None or rate is None:
        return None
    return -share(sell, rate) if scheme is VatScheme.FLAT_RATE else -within(sell, rate)


_CHARGED = (TermName.REFERRAL, TermName.CLOSING, TermName.FBA)


def on_fees(
    scheme: VatScheme, rates: VatRates | None, effects: Mapping[TermName, int | None], rate: int | None
) -> int | None:
    """What the VAT on Amazon's fees adds to the profit: a cost for who gets none back.

    Where the FBA fee holds VAT already, it costs nothing more, and comes back to a registered seller.
    """
    if not rate:
        return rate
    includes = rates is not None and rates.fba_fee_includes_it
    if scheme is VatScheme.REGISTERED:
        held = effects[TermName.FBA] if includes else 0
        return None if held is None else within(-held, rate)
    total = 0
    for name in _CHARGED:
        effect = effects[name]
        if name is TermName.FBA and includes:
            continue
        if effect is None:
            return None
        total += effect
    return -share(-total, rate)
