"""The forms by which a person marks deals, in a list or on a deal's page, and undo for the last change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy import Connection, select

from keepa_deals.db.models import MarkBook
from keepa_deals.formats import counted
from keepa_deals.marks import changes
from keepa_deals.marks.changes import Change, LastChange, MarkError
from keepa_deals.marks.marks import Hiding, Key, Mark, Purchase
from keepa_deals.marks.reading import book_of
from keepa_deals.query.amounts import Unit
from keepa_deals.query.parameters import ParameterError, read_enum, read_integer
from keepa_deals.query.parse import MAX_FIELDS
from keepa_deals.query.typed_numbers import TypedNumberError, read_typed
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals.mark_api import MAX_PERCENT, read_note
from keepa_deals.web.deals.request import read_keys
from keepa_deals.web.services import current_services

blueprint = Blueprint("mark_forms", __name__)

CHANGED = "changed"
"""The parameter of a list that says which change led to it."""


class Action(StrEnum):
    """What a form does with deals."""

    STAR = "star"
    UNSTAR = "unstar"
    HIDE = "hide"
    HIDE_UNTIL = "hide_until"
    HIDE_BRAND = "hide_brand"
    HIDE_CATEGORY = "hide_category"
    SHOW = "show"
    SHOW_BRAND = "show_brand"
    SHOW_CATEGORY = "show_category"
    BUY = "buy"
    UNBUY = "unbuy"
    NOTE = "note"


_WORDS = {
    Action.STAR: "Starred",
    Action.UNSTAR: "Star taken away",
    Action.HIDE: "Hidden",
    Action.HIDE_UNTIL: "Hidden until cheaper",
    Action.SHOW: "Shown again",
    Action.BUY: "Noted as bought",
    Action.UNBUY: "Purchase taken away",
    Action.NOTE: "Note kept",
    Action.HIDE_BRAND: "Brand hidden",
    Action.HIDE_CATEGORY: "Category hidden",
    Action.SHOW_BRAND: "Brand shown again",
    Action.SHOW_CATEGORY: "Category shown again",
}


@blueprint.post("/marks")
def mark() -> Response:
    """Do one thing with the deals ``key``, like ``1-B000000000``, or what the button of one row says."""
    services, (action, keys) = current_services(), _asked()
    with services.database.begin() as session:
        change = changes.open_book(session, current_person().id, services.clock.now())
        try:
            _do(change, keys, action)
        except MarkError as error:
            raise ParameterError("mark", str(error)) from None
        revision = change.close(f"{_WORDS[action]}: {counted(len(keys), 'deal')}")
    return _back(keys[0], revision if change.before else None)


def _asked() -> tuple[Action, list[Key]]:
    """What to do with which deals. The button of a row, ``star:1-B000000000``, leaves out what is chosen."""
    row = request.form.get("row")
    if row is None:
        action, named = request.form.getlist("mark"), request.form.getlist("key")
    else:
        action, named = [row.partition(":")[0]], [row.partition(":")[2]]
    keys = read_keys(named)
    if not keys:
        raise ParameterError("key", "choose a deal first")
    return read_enum("mark", action, Action), keys


def _do(change: Change, keys: Sequence[Key], action: Action) -> None:
    match action:
        case Action.HIDE_UNTIL:
            percent = read_integer("percent", request.form.get("percent", ""), 1, MAX_PERCENT)
            change.hide_until(keys, percent)
        case Action.HIDE_BRAND | Action.SHOW_BRAND:
            change.set_brands(keys, hidden=action is Action.HIDE_BRAND)
        case Action.HIDE_CATEGORY | Action.SHOW_CATEGORY:
            change.set_categories(keys, hidden=action is Action.HIDE_CATEGORY)
        case _:
            change.edit(keys, _edit(action, keys[0][0], change.now))


def _edit(action: Action, domain_id: int, now: datetime) -> Callable[[Mark], Mark]:
    match action:
        case Action.STAR:
            return lambda mark: replace(mark, starred_at=mark.starred_at or now)
        case Action.UNSTAR:
            return lambda mark: replace(mark, starred_at=None)
        case Action.HIDE:
            return lambda mark: replace(mark, hiding=Hiding(now))
        case Action.BUY:
            bought = Purchase(
                now,
                _number("price", Unit.MONEY, domain_id, 0, changes.MAX_PRICE),
                _number("quantity", Unit.COUNT, domain_id, 1, changes.MAX_QUANTITY),
            )
            return lambda mark: replace(mark, bought=bought)
        case Action.UNBUY:
            return lambda mark: replace(mark, bought=None)
        case Action.NOTE:
            note = read_note(request.form.get("note", ""))
            return lambda mark: replace(mark, note=note)
    return lambda mark: replace(mark, hiding=None)


def _number(name: str, unit: Unit, domain_id: int, least: int, most: int) -> int:
    try:
        value = read_typed(unit, request.form.get(name, ""), domain_id)
    except TypedNumberError as error:
        raise ParameterError(name, str(error)) from None
    if not least <= value <= most:
        raise ParameterError(name, "is too small or too large")
    return value


@blueprint.post("/marks/undo")
def undo() -> Response:
    """Take the last change back; one that another followed stays."""
    services, keys = current_services(), read_keys(request.form.getlist("key"))
    revision = request.form.get("revision", "")
    with services.database.begin() as session:
        change = changes.open_book(session, current_person().id, services.clock.now())
        if revision.isascii() and revision.isdigit() and len(revision) < 10:
            changes.undo(change, int(revision))
    return _back(keys[0] if keys else None)


def _back(key: Key | None, revision: int | None = None) -> Response:
    """To the list of ``back``, which can undo the change of this revision; else to the deal."""
    back = request.form.get("back")
    if request.form.get("page") == "hidden":
        address = url_for("hidden_rules.page")
    elif back is not None or key is None:
        query = _parameters(back or "")
        if revision is not None:
            query.append((CHANGED, str(revision)))
        address = f"{url_for('list_page.deals')}?{urlencode(query)}#results"
    else:
        address = url_for("detail_page.deal", domain_id=key[0], asin=key[1], _anchor="marks")
    response = redirect(address, 303)
    assert isinstance(response, Response)
    return response


def _parameters(query: str) -> list[tuple[str, str]]:
    try:
        return [pair for pair in parse_qsl(query, max_num_fields=MAX_FIELDS) if pair[0] != CHANGED]
    except ValueError:
        return []


def change_of_page(connection: Connection) -> LastChange | None:
    """The change on whose way the present page is, if it can still be taken back."""
    told = request.args.get(CHANGED)
    last = None if told is None else last_change(connection)
    return last if last is not None and str(last.revision) == told else None


def last_change(connection: Connection) -> LastChange | None:
    """What the reader changed last, if it can be taken back."""
    query = select(MarkBook.before, MarkBook.revision).where(MarkBook.id == book_of(current_person().id))
    row = connection.execute(query).one_or_none()
    return None if row is None else changes.last_change(row.before, row.revision)
