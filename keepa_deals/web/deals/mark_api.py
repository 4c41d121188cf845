"""A reader's marks on a deal, for programs: ``/api/deals/<domain>/<ASIN>/marks``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from keepa_deals.marks import changes
from keepa_deals.marks.changes import Change, MarkError
from keepa_deals.marks.marks import UNMARKED, Hiding, Key, Mark, Purchase
from keepa_deals.marks.reading import read_each
from keepa_deals.query.detail import UnreadableDealError, read_deal
from keepa_deals.query.parameters import ParameterError, reject_unknown
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.deals.detail import deal_key
from keepa_deals.web.deals.marked_rows import DealMarks, deal_marks, marks_json
from keepa_deals.web.services import Services, current_services

blueprint = Blueprint("mark_api", __name__, url_prefix="/api")

OWN = ("star", "hide", "note", "bought")
FIELDS = (*OWN, "hide_brand", "hide_category")
MAX_PERCENT = 99


@blueprint.get("/deals/<int:domain_id>/<asin>/marks")
def show(domain_id: int, asin: str) -> Response:
    """A reader's marks on a deal."""
    return _answer(current_services(), deal_key(domain_id, asin))


@blueprint.route("/deals/<int:domain_id>/<asin>/marks", methods=["POST", "PATCH"])
def change(domain_id: int, asin: str) -> Response:
    """Change the marks that are stated; the others stay."""
    return _changed(domain_id, asin, lambda wanted, mark: wanted.applied(mark))


@blueprint.put("/deals/<int:domain_id>/<asin>/marks")
def put(domain_id: int, asin: str) -> Response:
    """Set the deal's own marks; those that are not stated are taken away."""
    return _changed(domain_id, asin, lambda wanted, _: wanted.applied(UNMARKED))


@blueprint.delete("/deals/<int:domain_id>/<asin>/marks")
def remove(domain_id: int, asin: str) -> Response:
    """Take the deal's own marks away."""
    services, key = current_services(), deal_key(domain_id, asin)
    with services.database.begin() as session:
        open_change = changes.open_book(session, current_person().id, services.clock.now())
        open_change.edit([key], lambda _: UNMARKED)
        open_change.close()
    return _answer(services, key)


def _changed(domain_id: int, asin: str, edit: Callable[[Wanted, Mark], Mark]) -> Response:
    services, key = current_services(), deal_key(domain_id, asin)
    wanted = read_wanted(_body(), services.clock.now())
    _look_up(services, key)
    try:
        with services.database.begin() as session:
            open_change = changes.open_book(session, current_person().id, services.clock.now())
            open_change.edit([key], lambda mark: edit(wanted, mark))
            wanted.apply_rules(open_change, key)
            open_change.close()
    except MarkError as error:
        raise ParameterError("marks", str(error)) from None
    return _answer(services, key)


def _answer(services: Services, key: Key) -> Response:
    return jsonify(marks_json(_look_up(services, key)))


def _look_up(services: Services, key: Key) -> DealMarks:
    """The marks on a deal; 404 when neither the deal nor a mark on it is there."""
    person = current_person().id
    with services.engine.connect() as connection:
        own = read_each(connection, person, [key]).get(key, UNMARKED)
        try:
            row = read_deal(connection, key)
        except UnreadableDealError:
            row = None
        if row is None and not own:
            abort(404, f"There is no deal {key[1]} of domain {key[0]}, and no mark of yours on it.")
        marks = services.marks.read(connection, person)
    if row is not None:
        return deal_marks(row, marks, own)
    return DealMarks(own, marks.hidden_by(key, None, None, None))


# -- what is asked ---------------------------------------------------------------------------------
def _body() -> Mapping[str, Any]:
    if request.mimetype != "application/json":
        abort(415, "Marks are sent as JSON: Content-Type: application/json.")
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ParameterError("body", 'must be a JSON object like {"star": true}')
    return body


@dataclass(frozen=True, slots=True)
class Wanted:
    """The marks that a request states."""

    fields: Mapping[str, Any]
    """Those of the deal itself, each as it shall be."""
    rules: Mapping[str, bool]
    """Whether brand and category shall be hidden."""
    percent: int | None
    now: datetime

    def applied(self, mark: Mark) -> Mark:
        fields = dict(self.fields)
        if fields.get("starred_at") and mark.starred_at:
            fields["starred_at"] = mark.starred_at
        return replace(mark, **fields)

    def apply_rules(self, change: Change, key: Key) -> None:
        if self.percent is not None:
            change.hide_until([key], self.percent)
        if (brand := self.rules.get("hide_brand")) is not None:
            change.set_brands([key], hidden=brand)
        if (category := self.rules.get("hide_category")) is not None:
            change.set_categories([key], hidden=category)


def read_wanted(body: Mapping[str, Any], now: datetime) -> Wanted:
    """The marks that a JSON object states; ``ParameterError`` names a field that is wrong."""
    reject_unknown(body, FIELDS)
    fields: dict[str, Any] = {}
    percent = None
    if "star" in body:
        fields["starred_at"] = now if _flag("star", body["star"]) else None
    if "hide" in body:
        percent = _percent(body["hide"])
        fields["hiding"] = Hiding(now) if percent is None and _flag("hide", body["hide"]) else None
    if "note" in body:
        fields["note"] = read_note(body["note"])
    if "bought" in body:
        fields["bought"] = _purchase(body["bought"], now)
    rules = {name: _flag(name, body[name]) for name in ("hide_brand", "hide_category") if name in body}
    return Wanted(fields, rules, percent, now)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(name, "must be true or false")
    return value


def _percent(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if not isinstance(value, dict) or set(value) != {"until_cheaper_percent"}:
        raise ParameterError("hide", 'must be true, false or {"until_cheaper_percent": 10}')
    return _whole("until_cheaper_percent", value["until_cheaper_percent"], 1, MAX_PERCENT)


def read_note(value: object) -> str | None:
    """A note; ``None`` when there is nothing in it."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ParameterError("note", "must be a text or null")
    text = value.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(text) > changes.MAX_NOTE:
        raise ParameterError("note", f"at most {changes.MAX_NOTE} characters, this has {len(text)}")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ParameterError("note", "has half a character: it is no Unicode text")
    return text or None


def _purchase(value: object, now: datetime) -> Purchase | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ParameterError("bought", 'must be null or {"price": 1999, "quantity": 2}')
    reject_unknown(value, ("price", "quantity", "at"))
    price = _whole("price", value.get("price"), 0, changes.MAX_PRICE)
    quantity = _whole("quantity", value.get("quantity", 1), 1, changes.MAX_QUANTITY)
    return Purchase(now if value.get("at") is None else _moment(value["at"]), price, quantity)


def _whole(name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ParameterError(name, f"must be a whole number from {least} to {most}")
    return value


def _moment(value: object) -> datetime:
    wrong = ParameterError("at", "must be a time in ISO 8601 with its zone, from 2000 to 2100")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None or not 2000 <= moment.astimezone(UTC).year < 2100:
            raise wrong
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
