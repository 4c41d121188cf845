"""A list to buy by, made to be printed: the first deals of a view with what they cost and should bring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, render_template, request

from keepa_deals.deals.economics.calculation import Economics, work_out
from keepa_deals.deals.economics.pricing import Pricing
from keepa_deals.deals.economics.terms import INVESTED
from keepa_deals.deals.freshness import AsOf
from keepa_deals.deals.money import money
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.rows import DealRow
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals.request import requested_view
from keepa_deals.web.deals.row import Presented, status_of
from keepa_deals.web.services import current_services

blueprint = Blueprint("buying_list", __name__)

MAX_DEALS = 200
"""Ten sheets of paper."""


@dataclass(frozen=True, slots=True)
class Line:
    """A deal to buy, by the unit and in all."""

    deal: Presented
    economics: Economics
    units: int

    @property
    def cost(self) -> int | None:
        """What is put in for one unit before it is sold; ``None`` while a part of it is unknown."""
        effects = [term.effect for term in self.economics.terms if term.name in INVESTED]
        return None if None in effects else -sum(effect or 0 for effect in effects)

    @property
    def cost_in_all(self) -> int | None:
        return None if self.cost is None else self.cost * self.units

    @property
    def profit_in_all(self) -> int | None:
        return None if self.economics.profit is None else self.economics.profit * self.units


@dataclass(frozen=True, slots=True)
class Total:
    """The sums of a marketplace, and of how many lines they are: the others are unknown."""

    market: str
    lines: int
    cost: str
    with_cost: int
    profit: str
    with_profit: int


@blueprint.get("/buying-list")
def buying_list() -> str:
    """The first deals of a view, as it is ordered."""
    services = current_services()
    view, as_of = requested_view(services), services.as_of()
    with services.reading(as_of, current_person().id) as reader:
        rows = reader.page(replace(view, limit=MAX_DEALS), None).rows
        total = reader.count(view)
    found = lines(rows, services.pricing(), as_of, request.script_root)
    return render_template(
        "deals/buying_list.html",
        lines=found,
        totals=totals(found),
        total=total,
        view=view,
        starred=view.of_starred(),
        as_of=as_of,
    )


def lines(rows: Sequence[DealRow], pricing: Pricing, as_of: AsOf, root: str) -> list[Line]:
    """A line for each deal, by the same calculation as everywhere."""
    units = pricing.buying.quantity
    return [Line(Presented(row, status_of(row, as_of), root), work_out(row, pricing), units) for row in rows]


def totals(found: Sequence[Line]) -> list[Total]:
    """The sums by marketplace: amounts of two currencies have none."""
    return list(_totals(found))


def _totals(found: Sequence[Line]) -> Iterator[Total]:
    for domain_id in sorted({line.deal.row.domain_id for line in found}):
        of_it = [line for line in found if line.deal.row.domain_id == domain_id]
        costs = [line.cost_in_all for line in of_it if line.cost_in_all is not None]
        profits = [line.profit_in_all for line in of_it if line.profit_in_all is not None]
        yield Total(
            f"amazon.{marketplace(domain_id).tld}",
            len(of_it),
            money(sum(costs), domain_id),
            len(costs),
            money(sum(profits), domain_id),
            len(profits),
        )
