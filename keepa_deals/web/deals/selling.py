"""Whether the seller may sell a deal's product: what the deal's page says of it, and the button that asks."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue
from kombu.exceptions import OperationalError

from keepa_deals.db.models import ListingCheck, SellerAccount
from keepa_deals.deals.economics.calculation import work_out
from keepa_deals.deals.economics.pricing import Fulfilment
from keepa_deals.deals.economics.terms import TermName
from keepa_deals.deals.may_sell import SAID, MaySell, answer_of
from keepa_deals.jobs import LISTINGS_JOB
from keepa_deals.marketplaces import marketplace
from keepa_deals.query.rows import DealRow
from keepa_deals.seller import account, checks
from keepa_deals.sp_api.conditions import CONDITIONS, NEW, condition_of
from keepa_deals.sp_api.places import REGIONS
from keepa_deals.web.deals.detail import requested_row
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("selling", __name__)


@blueprint.post("/deals/<int:domain_id>/<asin>/may-sell")
def ask(domain_id: int, asin: str) -> ResponseReturnValue:
    """Note that somebody wants to know, and let the job look. What was just answered is not asked again."""
    services = current_services()
    row = requested_row(services, domain_id, asin)
    with services.database.begin() as session:
        seller = account.connected(session)
        is_news = (
            seller is not None
            and _is_of_region(seller, domain_id)
            and checks.want(session, domain_id, asin, row.price_type, services.clock.now())
        )
    if is_news:
        with contextlib.suppress(OperationalError):  # beat sends the job within a minute in any case
            services.send(LISTINGS_JOB)
    address = url_for("detail_page.deal", domain_id=domain_id, asin=asin, _anchor="selling")
    return redirect(address, 303)


_CONDITIONS = {
    name: "new" if name == NEW else name.replace("refurbished_", "").replace("_", ", ", 1).replace("_", " ")
    for name in CONDITIONS
}
"""In words: "new", "used, very good"."""


# -- on the page ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class FeeLine:
    """One fee in cents: as we reckon it, and as Amazon says; ``None`` where it is not known."""

    label: str
    ours: int | None
    amazons: int | None


@dataclass(frozen=True, slots=True)
class Fees:
    """What Amazon says of the fees at a sale price, beside ours."""

    price: int
    lines: Sequence[FeeLine]
    at: datetime
    by_amazon: bool


@dataclass(frozen=True, slots=True)
class Selling:
    """What the page says. Each state has words of its own, and none waits without saying for what."""

    headline: str
    answer: MaySell | None
    condition: str
    """In words."""
    message: str = ""
    """Amazon's own words."""
    link: str = ""
    """Where to ask for approval."""
    problem: str = ""
    """Why it is not known."""
    trouble: str = ""
    """What is wrong with the connection, in one line."""
    told_at: datetime | None = None
    wanted_at: datetime | None = None
    may_ask: bool = False
    fees: Fees | None = None
    fee_problem: str = ""


def selling_of(services: Services, row: DealRow) -> Selling | None:
    """What the page of a deal says; ``None`` where no seller is connected."""
    now = services.clock.now()
    with services.database.session() as session:
        seller = account.connected(session)
        if seller is None:
            return None
        check = checks.check_of(session, row.domain_id, row.asin, row.price_type)
    condition = _CONDITIONS[condition_of(row.price_type)]
    if not _is_of_region(seller, row.domain_id):
        place = marketplace(row.domain_id).name
        return Selling(f"Your seller account is not for {place}", None, condition)
    return _of_check(seller, check, condition, now, _fees(services, row, check))


def _is_of_region(seller: SellerAccount, domain_id: int) -> bool:
    return REGIONS.get(seller.domain_id) is REGIONS.get(domain_id)


def _of_check(
    seller: SellerAccount, check: ListingCheck | None, condition: str, now: datetime, fees: Fees | None
) -> Selling:
    trouble = ""
    if seller.refusal:
        trouble = f"Amazon refuses your seller account, so nothing is asked: {seller.refusal}"
    elif seller.trouble:
        trouble = f"Amazon could not be asked last time: {seller.trouble}. It is tried again each minute"
    if check is None:
        return Selling("Not asked yet", None, condition, trouble=trouble, may_ask=True)
    answer = answer_of(check.may_sell)
    headline = SAID[answer] if answer else "Not known"
    if answer is None and check.tried_at is None:
        headline = "Asked, no answer yet"
    return Selling(
        headline,
        answer,
        condition,
        message=check.message or "",
        link=check.link or "",
        problem=check.problem or "",
        trouble=trouble,
        told_at=check.tried_at,
        wanted_at=check.wanted_at,
        may_ask=check.wanted_at is None and checks.may_ask_again(check, now),
        fees=fees,
        fee_problem=check.fee_problem or "",
    )


_COMPARED: Mapping[TermName, tuple[str, str]] = {
    TermName.REFERRAL: ("Referral fee", "fee_referral"),
    TermName.CLOSING: ("Closing fee", "fee_closing"),
    TermName.FBA: ("FBA fee", "fee_fulfilment"),
}


def _fees(services: Services, row: DealRow, check: ListingCheck | None) -> Fees | None:
    """Amazon's figures beside ours, which are reckoned anew for the price that Amazon was asked about."""
    if check is None or check.fee_total is None or check.fee_price is None or check.fees_tried_at is None:
        return None
    pricing = services.pricing()
    by_amazon = bool(check.fee_by_amazon)
    effects: dict[TermName, int | None] = {}
    if by_amazon is (pricing.fulfilment is Fulfilment.FBA):
        ours = work_out(row, pricing, {TermName.SELL: check.fee_price})
        effects = {term.name: term.effect for term in ours.terms}
    lines = []
    for name, (label, column) in _COMPARED.items():
        amazons = getattr(check, column)
        effect = effects.get(name)
        if amazons is not None or effect:
            lines.append(FeeLine(label, None if effect is None else -effect, amazons))
    sums = [line.ours for line in lines]
    known = None if None in sums else sum(value or 0 for value in sums)
    lines.append(FeeLine("In all", known, check.fee_total))
    return Fees(check.fee_price, lines, check.fees_tried_at, by_amazon)
