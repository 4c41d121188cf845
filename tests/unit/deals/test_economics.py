"""The economics by figures worked out by hand, and by properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from keepa_deals.db.models import Deal
from keepa_deals.deals.economics import calculation
from keepa_deals.deals.economics.calculation import break_even, work_out
from keepa_deals.deals.economics.pricing import DEFAULT, Costs, Pricing, SellPrice
from keepa_deals.deals.economics.rounding import WHOLE, half_up
from keepa_deals.deals.economics.terms import Certainty, Source, TermName
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from tests.support.world import make_deal, make_world

money = st.integers(0, 10_000_000)


@dataclass(frozen=True)
class Sample:
    """What the economics know of a deal."""

    domain_id: int = 1
    root_category: int | None = None
    amazon_price: int | None = None
    closing_fee: int | None = 0
    return_rate: int | None = None
    package_length: int | None = None
    package_width: int | None = None
    package_height: int | None = None
    package_weight: int | None = None
    amazon_in_stock: bool | None = None
    price_avg_180: int | None = None
    price_avg_365: int | None = None
    robust_price: int | None = None
    robust_sales: int | None = None
    rank_drops_90: int | None = None
    price_low_year: int | None = None
    price_high_year: int | None = None
    price: int | None = 1500
    price_avg_90: int | None = 3000
    price_avg_month: int | None = 2800
    buy_box_price: int | None = 2900
    fba_fee: int | None = 350
    referral_fee_bp: int | None = 1501


def test_a_sale_worked_out_by_hand() -> None:
    pricing = Pricing(Costs(100, 50))
    found = work_out(Sample(), pricing)
    effects = {term.name: term.effect for term in found.terms}
    assert effects[TermName.REFERRAL] == -450  # 450.3
    assert found.profit == 3000 - 450 - 350 - 1500 - 150 == 550
    assert found.roi_bp == 3333  # 550 / 1650
    assert found.margin_bp == 1833  # 550 / 3000
    assert break_even(Sample(), pricing) == 2353  # 2353 - 353.2 - 350 - 1650 = 0


def test_halves_are_rounded_away_from_zero() -> None:
    assert [half_up(n, 2) for n in (-3, -1, 1, 3)] == [-2, -1, 1, 2]


@pytest.mark.parametrize(
    ("column", "name"),
    [("price", TermName.BUY), ("referral_fee_bp", TermName.REFERRAL), ("fba_fee", TermName.FBA)],
)
def test_an_unknown_term_makes_the_result_unknown(column: str, name: TermName) -> None:
    found = work_out(replace(Sample(), **{column: None}), DEFAULT)
    assert (found.profit, found.roi_bp, found.margin_bp) == (None, None, None)
    assert found.unknown == (name,)
    assert break_even(replace(Sample(), **{column: None}), DEFAULT) is None


@given(money, money, st.integers(0, 9999), st.integers(1, 10_000_000), money, money)
def test_at_the_break_even_price_nothing_is_lost_and_a_cent_below_it_is(
    buy: int, sell: int, rate: int, fba: int, prep: int, shipping: int
) -> None:
    deal = Sample(price=buy, price_avg_90=sell, referral_fee_bp=rate, fba_fee=fba)
    pricing = Pricing(Costs(prep, shipping))
    found, lowest = work_out(deal, pricing), break_even(deal, pricing)
    assert found.profit == sum(term.effect or 0 for term in found.terms)
    if lowest is None:  # no price that the columns hold is high enough
        assert (2**31 - 1) * (WHOLE - rate) < (fba + buy + prep + shipping) * WHOLE
        return

    def profit(price: int) -> int:
        return work_out(deal, pricing, {TermName.SELL: price}).profit or 0

    assert profit(lowest) >= 0
    assert profit(lowest - 1) < 0


def test_a_fee_of_0_says_that_it_cannot_be_calculated() -> None:
    assert calculation.of(Sample(fba_fee=0), DEFAULT) == calculation.NO_ECONOMICS


def test_a_buy_box_that_nobody_knows_does_not_make_the_profit_unknown_but_is_told() -> None:
    by_buy_box = Pricing(sell=SellPrice.BUY_BOX)
    known, sell = work_out(Sample(), by_buy_box), TermName.SELL
    assert (known.sell, {t.name: t.source for t in known.terms}[sell]) == (2900, Source.BUY_BOX)
    stood_in = work_out(Sample(buy_box_price=None), by_buy_box)
    term = next(term for term in stood_in.terms if term.name is sell)
    assert (term.value, term.source, term.certainty) == (3000, Source.AVERAGE_90, Certainty.ASSUMED)
    nothing = Sample(buy_box_price=None, price_avg_90=None, price_avg_month=None)
    assert work_out(nothing, by_buy_box).unknown == (TermName.SELL, TermName.REFERRAL)


def test_new_costs_recalculate_every_deal_without_a_token(tmp_path: Path) -> None:
    world = make_world(tmp_path / "deals.db")
    world.keepa.list(make_deal("A"))
    upsert.run(world.context)
    backfill.run_slice(world.context)
    maintenance.run(world.context)
    calls = len(world.keepa.calls)
    assert profit_of(world) == 3000 - 450 - 350 - 1500
    dearer = make_world(tmp_path / "deals.db", prep_cost=100, shipping_cost=50)
    dearer.clock.pass_time(timedelta(minutes=1))
    maintenance.run(dearer.context)
    assert profit_of(world) == 3000 - 450 - 350 - 1500 - 150
    assert len(world.keepa.calls) == calls
    assert dearer.keepa.calls == []


def profit_of(world: object) -> int | None:
    with world.database.session() as session:  # type: ignore[attr-defined]
        return session.scalars(select(Deal.profit)).one()
