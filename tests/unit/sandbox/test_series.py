"""What a product's series say, whichever way they are asked."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepa_deals.keepa.enums import CsvType
from keepa_deals.sandbox.behaviour import Behaviour
from keepa_deals.sandbox.catalogue.catalogue import Catalogue, Item
from keepa_deals.sandbox.catalogue.histories import CALM_STEPS, STEPS, Deal, Moves, price_points
from keepa_deals.sandbox.catalogue.product_traits import Family
from tests.support.paths import SAMPLES

NOW = 7_976_000
DAY = 1440
CATALOGUE = Catalogue(size=60, seed="series")
ITEMS = [CATALOGUE.item(index) for index in range(0, 60, 6)]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.facts.asin))
@pytest.mark.parametrize("family", Family)
def test_every_question_is_answered_from_the_same_history(item: Item, family: Family) -> None:
    series, start = item.series[family], NOW - 45 * DAY
    changes = list(series.changes(start, NOW))
    if item.facts.base(family) < 0:
        assert changes == [(start, -1)]
        return
    for (minute, value), (until, _) in zip(changes, [*changes[1:], (NOW, 0)], strict=True):
        assert {series.at(minute), series.at(until - 1)} == {value}
        assert series.since(max(minute, until - 1)) <= minute
    assert all(minute % 2 == 0 for minute, _ in changes[1:])
    assert series.since(NOW) == changes[-1][0]
    area = sum(
        v * (b - a) for (a, v), (b, _) in zip(changes, [*changes[1:], (NOW, 0)], strict=True) if v >= 0
    )
    covered = sum(b - a for (a, v), (b, _) in zip(changes, [*changes[1:], (NOW, 0)], strict=True) if v >= 0)
    assert series.average(start, NOW) == (round(area / covered) if covered else -1)
    offered = [value for _, value in changes if value >= 0]
    extremes = series.extremes(start, NOW)
    assert extremes is not None
    assert (extremes[0][1], extremes[1][1]) == (min(offered), max(offered))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.facts.asin))
def test_the_counted_falls_of_a_rank_are_those_of_its_history(item: Item) -> None:
    if item.facts.rank < 0:
        assert set(item.rank_drops(NOW).values()) == {-1}
        return
    rank = item.series[Family.RANK]
    changed = rank.since(NOW)
    falls = rank.drops(changed - 90 * DAY, changed)
    assert item.rank_drops(NOW)[90] == pytest.approx(falls, abs=2)


def test_prices_stand_on_plateaus_some_calmly_and_some_not() -> None:
    """As recorded: a product whose price does not step, one of 16 levels in 90 days, one of 26 in 61.

    Ours have a deal in each month, so the calmest stand on more than one level.
    """
    ninety_days = [
        list(CATALOGUE.item(index).series[Family.NEW].changes(NOW - 90 * DAY, NOW)) for index in range(60)
    ]
    levels = sorted(len({value for _, value in changes}) for changes in ninety_days)
    assert levels[0] > 4, "a square wave"
    assert levels[6] <= 16, "a tenth of the products is as calm as the calmer of the recorded two"
    assert levels[54] >= 26, "a tenth is as lively as the other"
    assert max(map(len, ninety_days)) < 90 * 4, "a price stands for hours"


@pytest.mark.parametrize(("steps", "fewest", "most"), [(CALM_STEPS, 2, 7), (STEPS, 8, 20)])
def test_a_calm_price_hardly_changes_but_for_its_deal(steps: tuple[int, int], fewest: int, most: int) -> None:
    deal = Deal(start=20_000, shown=20_000, end=22_000, length=40_000)
    changes = [
        len(price_points(f"{n}", f"level/{n}", 5_000, deal, Moves.of(0.0), steps=steps)[0]) - 1
        for n in range(101)
    ]
    assert fewest <= median(changes) <= most


@pytest.mark.skipif(
    not list(SAMPLES.glob("product_*.json")), reason="the recorded products are not beside this checkout"
)
def test_the_recorded_products_stand_on_as_many_levels_as_quoted() -> None:
    levels = []
    for file in SAMPLES.glob("product_*.json"):
        product = json.loads(file.read_text())
        product = product.get("products", [product])[0]
        flat = (product["csv"] or [None, None])[CsvType.NEW]
        if flat:
            since = product["lastUpdate"] - 90 * DAY
            points = list(zip(flat[::2], flat[1::2], strict=True))
            before = [value for minute, value in points if minute <= since][-1:]
            levels.append(len({*before, *(value for minute, value in points if minute > since)}))
    assert sorted(levels) == [1, 16, 26]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.facts.asin))
def test_ranks_fall_and_climb_far_oftener(item: Item) -> None:
    if item.facts.rank > 0:
        ranks = [value for _, value in item.series[Family.RANK].changes(NOW - 90 * DAY, NOW)]
        falls = sum(b < a for a, b in pairwise(ranks))
        assert 0 < falls < len(ranks) / 2


@given(index=st.integers(0, 59), day=st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_a_rank_is_noise_around_a_level_with_falls_and_no_spikes(index: int, day: int) -> None:
    """What a chart of 90 days shows, at any time: no lone point flattens the rest of the line."""
    item = CATALOGUE.item(index)
    if item.facts.rank < 0:
        return
    now = NOW - day * DAY
    ranks = [value for _, value in item.series[Family.RANK].changes(now - 90 * DAY, now)]
    level = median(ranks)
    assert max(ranks) <= 3 * level
    assert level <= 40 * min(ranks)
    for before, value, after in zip(ranks, ranks[1:], ranks[2:], strict=False):
        assert value <= 2.5 * max(before, after), "a spike"


def test_the_same_seed_tells_the_same_and_another_order_of_questions_changes_nothing() -> None:
    again = Catalogue(size=60, seed="series").item(6)
    values = [again.value(CsvType.NEW, NOW - hours * 60) for hours in range(400)]
    back = [CATALOGUE.item(6).value(CsvType.NEW, NOW - hours * 60) for hours in reversed(range(400))]
    assert values == back[::-1]


def test_a_family_sells_as_one_but_prices_differ() -> None:
    catalogue = Catalogue(size=10, seed="family", behaviour=Behaviour(siblings_every=5))
    family = [catalogue.item(index) for index in catalogue.variations(5)]
    assert len({item.facts.asin for item in family}) == 3
    assert len({item.facts.parent_asin for item in family}) == 1
    assert len({item.value(CsvType.SALES, NOW) for item in family}) == 1
    assert len({item.facts.price for item in family}) > 1
    assert all(catalogue.find(item.facts.asin) is item for item in family)
    assert catalogue.find(catalogue.item(4).facts.asin) is catalogue.item(4)
    assert catalogue.variations(4) == (4,)


@pytest.mark.parametrize("repriced", [0.001, 0.06, 0.2, 0.5, 0.9])
def test_the_rates_of_moves_add_up_to_the_share_that_is_asked_for(repriced: float) -> None:
    moves = Moves.of(repriced)
    quick, calm = (1 - math.exp(-60 / minutes) for minutes in (moves.quick_minutes, moves.calm_minutes))
    assert moves.quick * quick + (1 - moves.quick) * calm == pytest.approx(repriced, rel=0.01)


@pytest.mark.parametrize(
    ("habit", "value"),
    [
        ("repriced", 0.95),
        ("repriced", -0.1),
        ("gone", 0),
        ("deep", 1.2),
        ("lag_minutes", 90),
        ("siblings_every", -1),
    ],
)
def test_a_habit_that_cannot_be_is_named(habit: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{habit} "):
        Behaviour(**{habit: value})  # type: ignore[arg-type]
