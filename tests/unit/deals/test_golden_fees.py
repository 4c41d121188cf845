"""Products worked out by hand from Amazon's published rules: the fee, the tax and the profit to the cent.

The rules are those of ``amazon_fees.json``, with its sources and dates. The arithmetic stands beside a case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from keepa_deals.deals.economics.calculation import break_even, work_out
from keepa_deals.deals.economics.fees import built_in
from keepa_deals.deals.economics.pricing import (
    DEFAULT,
    Buying,
    Costs,
    Fulfilment,
    Pricing,
    Returns,
    Vat,
    VatScheme,
)
from keepa_deals.deals.economics.terms import Source, TermName
from tests.unit.deals.test_economics import Sample

US, UK, DE, JP = 1, 2, 3, 5


@dataclass(frozen=True)
class Golden:
    """A product at a sale price, and what it comes to. ``keepa`` is Keepa's percentage in basis points."""

    name: str
    market: int
    root: int
    keepa: int
    sell: int
    fba: int
    buy: int
    referral: int
    profit: int
    closing: int | None = 0
    now: int | None = None
    """What the product costs now; without it, what is paid."""

    @property
    def deal(self) -> Sample:
        return Sample(
            domain_id=self.market,
            root_category=self.root,
            price=self.buy,
            price_avg_90=self.sell,
            referral_fee_bp=self.keepa,
            fba_fee=self.fba,
            closing_fee=self.closing,
            buy_box_price=self.now,
        )


CASES = (
    # United States, sell.amazon.com/pricing of 2026-08-21
    Golden("book", US, 283155, 1500, 1200, 344, 200, 180, 296, 180),  # 1200-180-180-344-200
    Golden("cheap book, no minimum", US, 283155, 1500, 300, 344, 50, 45, -319, 180),  # 300-45-180-344-50
    Golden("toy", US, 165793011, 1500, 2499, 456, 1000, 375, 668),  # 374.85; 2499-375-456-1000
    Golden("toy at the minimum", US, 165793011, 1500, 150, 306, 20, 30, -206),  # 22.5 < 30
    Golden("beauty below the tier", US, 3760911, 1501, 999, 322, 300, 80, 297, now=1499),  # 79.92
    Golden("beauty at the tier", US, 3760911, 1501, 1000, 322, 300, 80, 298, now=1499),  # 80
    Golden("beauty above the tier", US, 3760911, 800, 1001, 322, 300, 150, 229, now=900),  # 150.15
    Golden("food at the tier", US, 16310101, 1500, 1500, 400, 600, 120, 380),  # 8 % of 1500
    Golden("food above the tier", US, 16310101, 800, 1501, 400, 600, 225, 276),  # 225.15
    Golden("television", US, 172282, 800, 25000, 600, 18000, 2000, 4400),  # 8 %
    Golden("cable, two portions", US, 172282, 1500, 15000, 500, 9000, 1900, 3600, now=8000),  # 1500+400
    Golden(
        "cable now above the portion", US, 172282, 1150, 12000, 500, 7000, 1660, 2840, now=20000
    ),  # 1500+160
    Golden("shirt, lowest tier", US, 7141123011, 500, 1499, 450, 500, 75, 474, now=1200),  # 74.95
    Golden("shirt, middle tier", US, 7141123011, 1700, 1800, 450, 500, 180, 670, now=4000),  # 10 %
    Golden("shirt, highest tier", US, 7141123011, 1700, 4000, 500, 1500, 680, 1320),  # 17 %
    Golden("ring", US, 7141123011, 2000, 30000, 350, 15000, 5250, 9400),  # 5000+250
    Golden("watch", US, 7141123011, 1600, 160000, 400, 100000, 24300, 35300),  # 24000+300
    Golden("car part", US, 15684181, 1200, 5000, 600, 2000, 600, 1800),  # 12 %
    Golden("laboratory glass", US, 16310091, 1200, 2599, 435, 1500, 312, 352),  # 311.88
    Golden("chair or pan below 200", US, 1055398, 1500, 15000, 2000, 6000, 2250, 4750),  # all rules agree
    # United Kingdom, rate card of 2026-07-01
    Golden("book", UK, 266239, 1500, 1000, 210, 300, 150, 290, 50),  # 1000-150-50-210-300
    Golden("car part, two portions", UK, 248877031, 1500, 6000, 356, 3000, 810, 1834),  # 675+135
    Golden("home at the tier", UK, 11052681, 800, 2000, 300, 800, 160, 740),  # 8 %
    Golden("home above the tier", UK, 11052681, 800, 2001, 300, 800, 300, 601),  # 300.15
    Golden("coat above 40", UK, 83450031, 1500, 5000, 301, 2000, 670, 2029),  # 600+70
    Golden("tea", UK, 340834031, 500, 1000, 270, 300, 50, 380),  # 5 %
    Golden("pencil at the minimum", UK, 192413031, 1500, 120, 146, 20, 25, -71),  # 18 < 25
    # Germany, the same card
    Golden("camera", DE, 562066, 700, 10000, 350, 6000, 700, 2950),  # 7 %
    Golden("saw", DE, 80084031, 1300, 5000, 400, 2000, 650, 1950),  # 13 %
    Golden("ring", DE, 327472011, 2000, 30000, 300, 10000, 5250, 14450),  # 5000+250
    Golden("car part, two portions", DE, 78191031, 1500, 8000, 400, 4000, 1020, 2580),  # 750+270
    # Japan, sell.amazon.co.jp/pricing of 2026-04-01, in yen
    Golden("book", JP, 465392, 1540, 1500, 318, 300, 231, 511, 140),  # 231; 1500-231-140-318-300
    Golden("toy below 750", JP, 13299531, 1040, 700, 252, 200, 35, 213, now=900),  # 5 %
    Golden("toy at the minimum", JP, 13299531, 1040, 500, 222, 100, 30, 148, now=900),  # 25 < 30
    Golden("coat, tier and portions", JP, 352484011, 1240, 4000, 434, 1000, 456, 2110),  # 372+84
    Golden("shoes, two portions", JP, 2016926051, 1240, 10000, 532, 4000, 1090, 4378),  # 930+160
)


def effects_of(golden: Golden, pricing: Pricing = DEFAULT) -> dict[TermName, Any]:
    return {term.name: term.effect for term in work_out(golden.deal, pricing).terms}


@pytest.mark.parametrize("golden", CASES, ids=lambda case: f"{case.market} {case.name}")
def test_the_fee_and_the_profit_are_those_worked_out_by_hand(golden: Golden) -> None:
    found = work_out(golden.deal, DEFAULT)
    effects = effects_of(golden)
    assert (-effects[TermName.REFERRAL], -effects[TermName.CLOSING]) == (golden.referral, golden.closing)
    assert found.profit == golden.profit
    assert {t.name: t.source for t in found.terms}[TermName.REFERRAL] is Source.SCHEDULE
    lowest = break_even(golden.deal, DEFAULT)
    assert lowest is not None
    assert (work_out(golden.deal, DEFAULT, {TermName.SELL: lowest}).profit or 0) >= 0


def test_there_are_as_many_as_it_takes() -> None:
    assert len(CASES) >= 30
    assert {case.market for case in CASES} == {US, UK, DE, JP}
    assert len({case.root for case in CASES}) >= 8


def test_where_rules_differ_at_the_sale_price_keepas_percentage_stands_for_them() -> None:
    chair = Golden("chair or pan", US, 1055398, 1500, 30000, 2000, 6000, 4500, 17500)
    found = work_out(chair.deal, DEFAULT)  # furniture 4000, home 4500: who knows which it is?
    term = next(term for term in found.terms if term.name is TermName.REFERRAL)
    assert (term.effect, term.source, found.profit) == (-4500, Source.KEEPA, 17500)


TOY = Golden("toy", UK, 468292, 1500, 2400, 301, 1200, 360, 539)


@pytest.mark.parametrize(
    ("golden", "scheme", "profit"),
    [
        (TOY, VatScheme.NONE, 539),  # 2400-360-301-1200
        (TOY, VatScheme.REGISTERED, 339),  # 400 due, 200 back
        (TOY, VatScheme.NOT_REGISTERED, 407),  # 20 % of 661 are 132.2
        (TOY, VatScheme.FLAT_RATE, 227),  # 7.5 % of 2400 are 180, and 132
        (CASES[20], VatScheme.REGISTERED, 290),  # books bear none in the United Kingdom
        # Germany: 2999 at 19 %: 478.8 due, 190 back; 449.85 referral
        (Golden("toy", DE, 12950651, 1500, 2999, 380, 1190, 450, 0), VatScheme.REGISTERED, 690),
        # books at 7 %: 130.8 due, 35 back; Keepa tells the closing fee
        (Golden("book", DE, 186606, 1500, 2000, 250, 535, 300, 0, 101), VatScheme.REGISTERED, 718),
        # Japan: the FBA fee holds its 10 % already; 420 bear 42
        (Golden("camera", JP, 3210981, 840, 5000, 434, 3000, 420, 0), VatScheme.NOT_REGISTERED, 1104),
        # 454.5 due, 39.5 of the FBA fee and 272.7 of buying back
        (Golden("camera", JP, 3210981, 840, 5000, 434, 3000, 420, 0), VatScheme.REGISTERED, 1003),
    ],
)
def test_vat_by_scheme(golden: Golden, scheme: VatScheme, profit: int) -> None:
    assert work_out(golden.deal, Pricing(vat=Vat(scheme, flat_rate=750))).profit == profit


def test_the_sellers_own_terms() -> None:
    toy = CASES[2]
    buying = effects_of(toy, Pricing(buying=Buying(shipping=600, quantity=4, tax=825)))
    assert (buying[TermName.BUY_SHIPPING], buying[TermName.BUY_TAX]) == (-150, -95)  # 8.25 % of 1150: 94.9
    returns = Pricing(returns=Returns(low=100, usual=300, high=1000))
    assert effects_of(toy, returns)[TermName.RETURNS] == -75  # 74.97
    own = work_out(toy.deal, Pricing(Costs(10, 20, 27, 420), fulfilment=Fulfilment.FBM))
    assert own.profit == 2499 - 375 - 1000 - 10 - 420  # no FBA fee, no placement, no shipping in
    assert work_out(toy.deal, Pricing(fulfilment=Fulfilment.FBM)).unknown == (TermName.SHIP_OUT,)


@pytest.mark.parametrize(
    ("month", "months", "fee"),
    [(3, 2, 33), (11, 1, 51), (11, 0, 0)],  # 0.2119 cubic feet at 0.78 and 2.40
)
def test_storage_has_seasons(month: int, months: int, fee: int) -> None:
    sample = Sample(package_length=300, package_width=200, package_height=100, package_weight=500)
    found = work_out(sample, Pricing(storage_months=months, month=month))
    assert {term.name: term.effect for term in found.terms}[TermName.STORAGE] == -fee
    bare = work_out(Sample(), Pricing(storage_months=months, month=month))
    assert bare.unknown == ((TermName.STORAGE,) if months else ())


def test_a_marketplace_without_a_rule_says_so_and_the_term_is_unknown() -> None:
    mexico = Sample(domain_id=11)
    for pricing, name in (
        (Pricing(vat=Vat(VatScheme.REGISTERED)), TermName.VAT),
        (Pricing(storage_months=1), TermName.STORAGE),
    ):
        found = work_out(mexico, pricing)
        assert name in found.unknown
        assert {t.name: t.source for t in found.terms}[name] is Source.NOT_PUBLISHED
    assert work_out(mexico, DEFAULT).profit is not None


def test_every_root_category_of_the_file_has_its_rules() -> None:
    for market, fees in built_in().markets.items():
        assert not fees.broken, market
        for rules in fees.roots.values():
            assert all(rule.fee(0) == rule.minimum for rule in rules)
