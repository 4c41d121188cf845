"""The page on which people change how the seller reckons: every deal is priced anew, without a token."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, func, select

from keepa_deals.db import seller_terms
from keepa_deals.db.models import TermChange
from keepa_deals.db.seller_terms import Change
from keepa_deals.deals.economics.pricing import Fulfilment, SellPrice, VatScheme
from keepa_deals.deals.money import symbol
from keepa_deals.query.amounts import Unit
from keepa_deals.query.typed_numbers import TypedNumberError, field_text, quoted, read_typed
from keepa_deals.seller_terms import SELLER_TERMS, check_term
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("terms", __name__)

MAX_SHOWN = 30
"""Changes on the page."""
ON, OFF = "1", "0"


@dataclass(frozen=True, slots=True)
class Field:
    """A term as a field of the form: an amount, a share, a number, or a choice."""

    label: str
    unit: Unit | None = None
    choices: Mapping[str, str] | None = None
    note: str = ""


YES_NO = {ON: "yes", OFF: "no"}
FIELDS: Mapping[str, Field] = {
    "buy_quantity": Field("Units that you buy at once", Unit.COUNT),
    "buy_shipping_cost": Field("Shipping of such an order", Unit.MONEY),
    "buy_tax_percent": Field("Sales tax on buying, %", Unit.BASIS_POINTS, note="0 when you are exempt"),
    "prep_cost": Field("Preparation of a unit", Unit.MONEY),
    "shipping_cost": Field("Shipping of a unit to Amazon", Unit.MONEY),
    "sell_price": Field(
        "Sale price",
        choices={
            SellPrice.AVERAGE_30: "average of 30 days",
            SellPrice.AVERAGE_90: "average of 90 days",
            SellPrice.AVERAGE_180: "average of 180 days",
            SellPrice.AVERAGE_365: "average of 365 days",
            SellPrice.ROBUST: "median of the prices at which it sold",
            SellPrice.BUY_BOX: "buy box",
        },
        note="the buy box costs two tokens more for each product that is looked up",
    ),
    "fulfilment": Field("Who ships", choices={Fulfilment.FBA: "Amazon", Fulfilment.FBM: "you"}),
    "fbm_shipping_cost": Field("Shipping of a unit to the buyer, if you ship", Unit.MONEY),
    "inbound_placement_cost": Field("Inbound placement of a unit", Unit.MONEY),
    "storage_months": Field("Months in Amazon’s warehouse", Unit.COUNT),
    "returns_percent": Field("What returns cost, % of the sale", Unit.BASIS_POINTS),
    "returns_percent_low": Field("The same where returns are few", Unit.BASIS_POINTS),
    "returns_percent_high": Field("The same where returns are many", Unit.BASIS_POINTS),
    "vat_scheme": Field(
        "VAT",
        choices={
            VatScheme.NONE: "left out",
            VatScheme.NOT_REGISTERED: "not registered",
            VatScheme.REGISTERED: "registered",
            VatScheme.FLAT_RATE: "flat rate",
        },
    ),
    "vat_flat_rate_percent": Field("Flat rate, % of the sale", Unit.BASIS_POINTS),
    "vat_on_buying": Field("The price paid holds VAT that comes back", choices=YES_NO),
}
assert tuple(FIELDS) == SELLER_TERMS


@dataclass(frozen=True, slots=True)
class Row:
    """A field with what it holds, what holds without it, and who changed it last."""

    name: str
    field: Field
    text: str
    default: str
    change: Change | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A line of what was changed."""

    change: Change
    label: str
    value: str


@blueprint.get("/terms")
def terms() -> str:
    """The terms in force, with who changed what when."""
    return _page(current_services())


@blueprint.post("/terms")
def change_terms() -> ResponseReturnValue:
    """Put what the form says in the place of the settings; an empty field gives its term back."""
    services = current_services()
    typed = {name: request.form.get(name, "").strip() for name in FIELDS}
    domain_id = services.settings.keepa_domain_id
    wanted, problems = _understood(typed, domain_id)
    if problems:
        return _page(services, typed, problems), 400
    with services.database.begin() as session:
        connection = session.connection()
        if request.form.get("seen") != str(_latest(connection)):
            message = "The terms were changed meanwhile; the fields show what holds now. Nothing was saved."
            return _page(services, message=message), 409
        before = seller_terms.terms_in_force(connection)
        changed = {name: wanted[name] for name in FIELDS if wanted[name] != before.get(name)}
        actor = current_person().name or request.remote_addr or "unknown"
        seller_terms.record(session, services.clock.now(), actor[:128], changed)
    return redirect(url_for("terms.terms", saved=len(changed)), 303)


def _understood(typed: Mapping[str, str], domain_id: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The values by term, ``None`` for an empty field; and why the others are none."""
    wanted: dict[str, Any] = {}
    problems = {}
    for name, text in typed.items():
        try:
            wanted[name] = _read(name, text, domain_id) if text else None
        except TypedNumberError as error:
            problems[name] = str(error)
        except ValueError:
            problems[name] = f"“{quoted(text)}” is outside of what this term may be."
    return wanted, problems


def _read(name: str, text: str, domain_id: int) -> Any:
    """A term as its setting has it: amounts in the smallest unit, shares in percent."""
    field = FIELDS[name]
    if field.choices is not None:
        return check_term(name, text == ON if field.choices is YES_NO and text in YES_NO else text)
    assert field.unit is not None
    value = read_typed(field.unit, text, domain_id)
    return check_term(name, value / 100 if field.unit is Unit.BASIS_POINTS else value)


# -- the page ------------------------------------------------------------------------------------
def _page(
    services: Services,
    typed: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    message: str = "",
) -> str:
    with services.engine.connect() as connection:
        in_force = seller_terms.terms_in_force(connection)
        last = {change.name: change for change in seller_terms.changes_in_force(connection)}
        changes = seller_terms.latest_changes(connection, MAX_SHOWN)
        seen = _latest(connection)
    domain_id = services.settings.keepa_domain_id
    rows = [
        Row(
            name,
            field,
            typed[name] if typed is not None else _text(name, in_force.get(name), domain_id),
            _said(name, getattr(services.settings, name), domain_id),
            last.get(name),
            (problems or {}).get(name, ""),
        )
        for name, field in FIELDS.items()
    ]
    return render_template(
        "deals/terms.html",
        rows=rows,
        changes=_shown(changes, domain_id),
        seen=seen,
        message=message,
        saved=request.args.get("saved", type=int),
        currency=symbol(domain_id),
        now=services.clock.now(),
    )


def _latest(connection: Connection) -> int:
    return connection.execute(select(func.max(TermChange.id))).scalar() or 0


def _text(name: str, value: Any, domain_id: int) -> str:
    """A value as its field holds it; empty where the setting holds."""
    field = FIELDS[name]
    if value is None:
        return ""
    if field.choices is not None:
        return (ON if value else OFF) if isinstance(value, bool) else str(value)
    assert field.unit is not None
    stored = round(value * 100) if field.unit is Unit.BASIS_POINTS else value
    return field_text(field.unit, stored, domain_id)


def _said(name: str, value: Any, domain_id: int) -> str:
    """A value in words."""
    text, choices = _text(name, value, domain_id), FIELDS[name].choices
    return (choices.get(text, text) if choices else text) or "not set"


def _shown(changes: Sequence[Change], domain_id: int) -> list[ShownChange]:
    return [
        ShownChange(change, FIELDS[change.name].label, _changed_to(change, domain_id))
        for change in changes
        if change.name in FIELDS
    ]


def _changed_to(change: Change, domain_id: int) -> str:
    if change.value is None:
        return "as the deployment has it"
    try:
        return _said(change.name, check_term(change.name, json.loads(change.value)), domain_id)
    except ValueError:
        return "a value that is none"
