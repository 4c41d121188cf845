"""The economics by figures worked out by hand, and by properties."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from keepa_deals.db.models import Deal
from keepa_deals.deals import economics
from keepa_deals.deals.economics import Costs, calculate, half_up
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.maintenance import run as maintenance
from keepa_deals.ingest.upsert import run as upsert
from tests.support.world import make_deal, make_world

money = st.integers(0, 10_000_000)


def test_a_sale_worked_out_by_hand() -> None:
    found = calculate(buy=1500, sell=3000, referral_fee_bp=1501, fba_fee=350, costs=Costs(100, 50))
    assert found is not None
    assert found.referral_fee == 450  # 450.3
    assert found.profit == 3000 - 450 - 350 - 1500 - 150 == 550
    assert found.roi_bp == 3333  # 550 / 1650
    assert found.margin_bp == 1833  # 550 / 3000
    assert found.break_even == 2354  # 2000 / 0.8499 = 2353.2


def test_halves_are_rounded_away_from_zero() -> None:
    assert [half_up(Fraction(n, 2)) for n in (-3, -1, 1, 3)] == [-2, -1, 1, 2]


@pytest.mark.parametrize("unknown", ["buy", "sell", "referral_fee_bp", "fba_fee"])
def test_an_unknown_term_makes_the_result_unknown(unknown: str) -> None:
    terms: dict[str, int | None] = {"buy": 1500, "sell": 3000, "referral_fee_bp": 1500, "fba_fee": 350}
    assert calculate(**{**terms, unknown: None}, costs=Costs()) is None  # type: ignore[arg-type]


@given(money, money, st.integers(0, 9999), money, money, money)
def test_at_the_break_even_price_nothing_is_lost_and_a_cent_below_it_is(
    buy: int, sell: int, rate: int, fba: int, prep: int, shipping: int
) -> None:
    def profit(price: int) -> int:
        found = calculate(buy=buy, sell=price, referral_fee_bp=rate, fba_fee=fba, costs=Costs(prep, shipping))
        assert found is not None
        return found.profit

    found = calculate(buy=buy, sell=sell, referral_fee_bp=rate, fba_fee=fba, costs=Costs(prep, shipping))
    assert found is not None
    assert found.break_even is not None
    assert found.profit == found.sell - found.referral_fee - found.fba_fee - buy - prep - shipping
    assert profit(found.break_even) >= 0
    exact = Fraction(found.break_even - 1) * (10_000 - rate) / 10_000 - fba - buy - prep - shipping
    assert exact < 0


def test_a_fee_of_0_says_that_it_cannot_be_calculated() -> None:
    deal = SimpleNamespace(
        price=1500,
        price_avg_90=3000,
        price_avg_month=None,
        buy_box_price=None,
        fba_fee=0,
        referral_fee_bp=1500,
    )
    assert economics.of(deal, economics.DEFAULT) == economics.UNKNOWN


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
