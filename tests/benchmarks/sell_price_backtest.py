"""Which sale price would have come true: each candidate beside the median price of the 30 days after.

    .venv/bin/python -m tests.benchmarks.sell_price_backtest [--products 300] [--seed keepa]

A history is cut at a moment. The candidates know what lies before, at most a year; what they are held to is
the median, by time, of the 30 days after. The recorded histories lie beside the checkout and are few. The
sandbox's are invented by the shapes of the recorded ones: they show how the rules behave, not what sells.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from keepa_deals.deals.economics.robust import past_prices
from keepa_deals.deals.price_history import Step
from keepa_deals.deals.price_shares import at_share, held_prices
from keepa_deals.ingest.keepa_history import unix_minute
from keepa_deals.keepa.enums import CsvType
from keepa_deals.keepa.product import Product
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.catalogue.product_traits import Family
from tests.support.paths import SAMPLES

DAY = 1440
YEAR, AFTER = 365 * DAY, 30 * DAY
RECORDED = (
    ("product_B0D8W1YVBX.json", CsvType.NEW),
    ("product_B0F7XPYCSJ.json", CsvType.NEW),
    ("product_055299068X.json", CsvType.USED),
    ("product_055299068X.json", CsvType.NEW),
)
LEAST_BEFORE = 20 * DAY
"""Of a recorded history that a candidate must know."""
FAR = 0.25
"""Two candidates that differ by more than this share of the smaller one."""
NOW = 8_000_000
"""A Keepa minute at which the sandbox's histories end."""


@dataclass(frozen=True)
class History:
    """Price and rank of a product, and the moments at which it is cut."""

    prices: Sequence[Step]
    ranks: Sequence[Step]
    cuts: Sequence[int]


@dataclass(frozen=True)
class Case:
    """What each candidate said at a cut, and what came."""

    candidates: Mapping[str, int | None]
    came: int


def cases(history: History) -> Iterator[Case]:
    """A case for each cut after which there was a price."""
    for cut in history.cuts:
        prices, ranks = (since(steps, cut - YEAR, cut) for steps in (history.prices, history.ranks))
        came = at_share(held_prices(since(history.prices, cut, cut + AFTER), cut + AFTER), 0.5)
        if came and prices:
            yield Case({name: tell(prices, ranks, cut) for name, tell in CANDIDATES.items()}, came)


def since(steps: Sequence[Step], start: int, end: int) -> list[Step]:
    """The steps of a stretch; what was in force at its start begins there."""
    before = [value for minute, value in steps if minute <= start]
    inside = [step for step in steps if start < step[0] <= end]
    return [(start, before[-1]), *inside] if before else inside


def average(days: int) -> Callable[[Sequence[Step], Sequence[Step], int], int | None]:
    """The average by time, as Keepa tells it."""

    def tell(prices: Sequence[Step], _: Sequence[Step], cut: int) -> int | None:
        held = held_prices(since(prices, cut - days * DAY, cut), cut)
        minutes = sum(time for _, time in held)
        return round(sum(price * time for price, time in held) / minutes) if minutes else None

    return tell


def robust(prices: Sequence[Step], ranks: Sequence[Step], cut: int) -> int | None:
    return past_prices(prices, ranks, cut).robust


def today(prices: Sequence[Step], _: Sequence[Step], __: int) -> int | None:
    return prices[-1][1]


CANDIDATES = {
    "the price of the moment": today,
    **{f"average_{days}": average(days) for days in (30, 90, 180, 365)},
    "robust": robust,
}


# -- histories -----------------------------------------------------------------------------------
def sandbox(products: int, seed: str, *, in_a_deal: bool) -> Iterator[History]:
    """Two years of products, cut once in each of the last cycles: in the midst of a deal, or of the rest."""
    catalogue = Catalogue(size=products, seed=seed)
    for index in range(products):
        item = catalogue.item(index)
        prices, ranks = (
            [
                (minute, value if value >= 0 else None)
                for minute, value in item.series[family].changes(NOW - 2 * YEAR, NOW)
            ]
            for family in (Family.NEW, Family.RANK)
        )
        cuts = []
        for cycle in (2, 5):
            window = item.window(Family.NEW, NOW - cycle * item.timing.cycle)
            middle = (window.shown + window.end) // 2 if in_a_deal else window.start - DAY
            if middle + AFTER <= NOW:
                cuts.append(middle)
        yield History(prices, ranks, cuts)


def recorded() -> Iterator[tuple[str, History]]:
    """The recorded histories by name, cut every three days that leave enough before and after."""
    for name, kind in RECORDED:
        path = SAMPLES / name
        if not path.exists():
            continue
        product = Product.from_json(json.loads(path.read_text())["products"][0])
        prices, ranks = (
            [(unix_minute(point.at), point.value) for point in product.history.get(of, ())]
            for of in (kind, CsvType.SALES)
        )
        end = unix_minute(product.last_update) if product.last_update else prices[-1][0]
        first = max(prices[0][0], ranks[0][0] if ranks else 0) + LEAST_BEFORE
        yield f"{product.asin} {kind.name}", History(prices, ranks, range(first, end - AFTER, 3 * DAY))


# -- the table -----------------------------------------------------------------------------------
def report(title: str, found: Sequence[Case]) -> None:
    """The errors of each candidate, and of the two that are compared where they differ."""
    print(f"\n{title}: {len(found)} cases")
    if not found:
        return
    errors: dict[str, list[float]] = defaultdict(list)
    for case in found:
        for name, told in case.candidates.items():
            if told is not None:
                errors[name].append(abs(told - case.came) / case.came)
    print("| candidate | cases | median error | 90th of a hundred | within 10 % |")
    print("| --- | --- | --- | --- | --- |")
    for name, of in errors.items():
        of.sort()
        near = sum(error <= 0.1 for error in of) / len(of)
        print(f"| {name} | {len(of)} | {median(of):.1%} | {of[int(0.9 * (len(of) - 1))]:.1%} | {near:.0%} |")
    _compare(found)


def _compare(found: Sequence[Case]) -> None:
    both = [
        (robust_, average_, case.came)
        for case in found
        if (robust_ := case.candidates["robust"]) and (average_ := case.candidates["average_90"])
    ]
    far = [(a, b, came) for a, b, came in both if abs(a - b) > FAR * min(a, b)]
    nearer = sum(abs(a - came) < abs(b - came) for a, b, came in far)
    print(f"robust and average_90 differ by more than {FAR:.0%} in {len(far)} of {len(both)};")
    print(f"robust was nearer in {nearer} of these {len(far)}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=300)
    parser.add_argument("--seed", default="keepa")
    chosen = parser.parse_args()
    for name, history in recorded():
        report(f"Recorded {name}, {len(history.prices)} prices", list(cases(history)))
    for title, in_a_deal in (("Sandbox, in the midst of a deal", True), ("Sandbox, before a deal", False)):
        histories = sandbox(chosen.products, chosen.seed, in_a_deal=in_a_deal)
        report(title, [case for history in histories for case in cases(history)])


if __name__ == "__main__":
    main()
