"""The sale price: which candidate, what caps it, what speaks against it; and at which prices it sold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepa_deals.deals.economics.calculation import of, work_out
from keepa_deals.deals.economics.pricing import DEFAULT, Pricing, SellPrice
from keepa_deals.deals.economics.robust import NO_PAST, PastPrices, past_prices
from keepa_deals.deals.economics.sell_price import CANDIDATES, Doubt, chosen
from keepa_deals.deals.economics.terms import Certainty, Source, TermName
from tests.unit.deals.test_economics import Sample

DEAL = replace(
    Sample(), price_avg_180=3100, price_avg_365=3200, robust_price=2700, robust_sales=9, rank_drops_90=12
)


@pytest.mark.parametrize("choice", SellPrice)
def test_each_candidate_can_be_chosen_and_an_average_stands_for_one_that_is_not_known(
    choice: SellPrice,
) -> None:
    term = chosen(DEAL, choice).term
    assert term == (CANDIDATES[choice](DEAL), Source(choice), Certainty.ESTIMATE)
    column = {SellPrice.AVERAGE_30: "price_avg_month", SellPrice.AVERAGE_90: "price_avg_90"}
    names = {SellPrice.BUY_BOX: "buy_box_price", SellPrice.ROBUST: "robust_price"}
    name = (column | names).get(choice, f"price_avg_{choice.removeprefix('average_')}")
    stood_in = chosen(replace(DEAL, **{name: None}), choice).term
    assert stood_in.value == (2800 if choice is SellPrice.AVERAGE_90 else 3000)
    assert stood_in.certainty is Certainty.ASSUMED


@pytest.mark.parametrize(
    ("price", "in_stock", "sell", "source"),
    [
        (2500, True, 2500, Source.AMAZON),
        (2500, None, 2500, Source.AMAZON),  # the feed shows its offer
        (2500, False, 3000, Source.AVERAGE_90),
        (3500, True, 3000, Source.AVERAGE_90),
        (None, True, 3000, Source.AVERAGE_90),
    ],
)
def test_amazons_own_price_caps_while_it_sells(
    price: int | None, in_stock: bool | None, sell: int, source: Source
) -> None:
    term = chosen(replace(DEAL, amazon_price=price, amazon_in_stock=in_stock), SellPrice.AVERAGE_90).term
    assert (term.value, term.source) == (sell, source)


@pytest.mark.parametrize(
    ("changes", "doubts"),
    [
        ({}, Doubt.NONE),
        ({"price": 1000}, Doubt.NONE),  # three times is not above
        ({"price": 999}, Doubt.FAR_ABOVE),
        ({"rank_drops_90": 2}, Doubt.FEW_SALES),
        ({"rank_drops_90": None}, Doubt.NONE),
        ({"price_low_year": 3000, "price_high_year": 3000}, Doubt.NONE),
        ({"price_low_year": 1000, "price_high_year": 2999}, Doubt.UNUSUAL),
        ({"price_low_year": 1000}, Doubt.NONE),
        ({"price": 900, "rank_drops_90": 0}, Doubt.FAR_ABOVE | Doubt.FEW_SALES),
        ({"price": 900, "amazon_price": 950}, Doubt.FAR_ABOVE),
    ],
)
def test_what_speaks_against_a_price(changes: dict[str, int | None], doubts: Doubt) -> None:
    deal = replace(DEAL, **changes)
    assert chosen(deal, SellPrice.AVERAGE_90).doubts == doubts
    assert of(deal, DEFAULT).sell_doubt == int(doubts)


def test_a_median_of_few_sales_is_doubted_by_them_and_a_typed_price_by_nothing() -> None:
    few = replace(DEAL, robust_sales=2)
    robust = Pricing(sell=SellPrice.ROBUST)
    assert work_out(few, robust).doubts is Doubt.FEW_SALES
    assert work_out(few, robust, {TermName.SELL: 99_000}).doubts is Doubt.NONE


def test_a_price_counts_as_often_as_it_sold_not_as_long_as_it_stood() -> None:
    """The $40 book that was asked $1,400 for most of the year."""
    prices = [(0, 4000), (100, 140_000), (900, 4200)]
    ranks = [(0, 9000), (10, 5000), (20, 8000), (30, 4000), (910, 9000), (920, 4000)]
    found = past_prices(prices, ranks, 1000)
    assert (found.robust, found.sales) == (4000, 3)
    assert (found.low, found.high) == (4000, 140_000)


def test_what_lies_far_outside_does_not_count() -> None:
    prices = [(minute, 99_000 if minute == 50 else 2000 + minute) for minute in range(0, 100, 10)]
    ranks = [step for minute in range(0, 100, 10) for step in ((minute + 1, 9000), (minute + 5, 5000))]
    assert past_prices(prices, ranks, 100) == PastPrices(2040, 9, 2000, 99_000)


@pytest.mark.parametrize(
    ("prices", "ranks", "found"),
    [
        ([], [(0, 9), (1, 5)], NO_PAST),
        ([(0, 2000)], [], PastPrices(None, 0, 2000, 2000)),
        ([(0, None)], [(0, 9000), (1, 5000)], PastPrices(None, 0, None, None)),
        ([(0, 2000)], [(0, 9000), (1, 8900)], PastPrices(None, 0, 2000, 2000)),  # a drift
        ([(5, 2000)], [(0, 9000), (1, 5000)], PastPrices(None, 0, 2000, 2000)),  # before the first price
    ],
)
def test_a_history_of_little_tells_little(
    prices: list[tuple[int, int | None]], ranks: list[tuple[int, int | None]], found: PastPrices
) -> None:
    assert past_prices(prices, ranks, 10) == found


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 10**6) | st.none()), max_size=30))
def test_every_figure_lies_between_the_prices_that_stood(steps: list[tuple[int, int | None]]) -> None:
    prices = sorted(dict(steps).items())
    ranks = [(minute, 9000 - 1000 * (number % 2)) for number, (minute, _) in enumerate(prices)]
    found = past_prices(prices, ranks, 10_001)
    stood = [price for _, price in prices if price is not None]
    for figure in (found.robust, found.low, found.high):
        assert figure is None or min(stood) <= figure <= max(stood)
