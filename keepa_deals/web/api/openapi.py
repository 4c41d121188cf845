"""The OpenAPI description of the API and the files, made from the tables that the views are read by."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from keepa_deals.deals.economics.terms import TermName
from keepa_deals.marks.changes import MAX_NOTE, MAX_PRICE, MAX_QUANTITY
from keepa_deals.query.cursor import MAX_CURSOR
from keepa_deals.query.filters import FILTERS
from keepa_deals.query.intervals import Interval
from keepa_deals.query.sorts import SORTS, Order
from keepa_deals.query.view import MAX_LIMIT, Density, Layout
from keepa_deals.web.api.schemas import COUNT, HIDE, Json, array, nullable, record, reference, schemas
from keepa_deals.web.deals.export import Separator
from keepa_deals.web.deals.what_if import LABELS, term_pattern
from keepa_deals.web.deals.workbook import CONTENT_TYPE, MAX_DEALS

_ABOUT = (
    "Live Keepa deals. Money is in the currency's smallest unit (cents; yen has none), moments are ISO 8601 "
    "in UTC, null means unknown. An unknown, wrong or empty parameter is a 400 that names it. Where the "
    "dashboard has a password, send a token: `Authorization: Bearer …`, or Basic with the token as password."
)

TEXT: Json = {"type": "string"}
MARKS = "/api/deals/{domain_id}/{asin}/marks"


def describe(root: str = "") -> Json:
    """The description as a JSON object (OpenAPI 3.1); ``root`` is the prefix of all addresses."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "keepa_deals", "version": metadata.version("keepa-deals"), "description": _ABOUT},
        **({"servers": [{"url": root}]} if root else {}),
        "security": [{}, {"token": []}, {"token_as_password": []}],
        "paths": {
            path: {"get": operation, **_changes().get(path, {})} for path, operation in _operations().items()
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "token_as_password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _operations() -> Json:
    text: Json = {"schema": {"type": "string"}}
    any_object: Json = {"type": "object"}
    files = [*_view_parameters()]
    return {
        "/api/deals": _operation("One page of a view of the deals", _json(_page()), [*files, _cursor()]),
        "/api/deals/{domain_id}/{asin}": _operation(
            "One deal with its history, oldest first, and the events of its life, newest first",
            _json(_one_deal()),
            _deal_parameters(),
            _error("404", "There is no such deal"),
        ),
        "/api/deals/{domain_id}/{asin}/economics": _operation(
            "What one unit of a deal earns, term by term. A parameter stands in the place of what is known",
            _json(reference("Economics")),
            [*_deal_parameters(), *_term_parameters()],
            _error("404", "There is no such deal"),
        ),
        MARKS: _operation(
            "What you marked on a deal",
            _json(reference("Marks")),
            _deal_parameters(),
            _error("404", "There is no such deal, and no mark of yours on it"),
        ),
        "/api/status": _operation("The state of the service; null is what can't be read", _json(_status())),
        "/api/searches": _operation(
            "The searches, in the order in which they were made",
            _json(record({"searches": array(reference("Search"))})),
        ),
        "/api/openapi.json": _operation("This description", _json(any_object)),
        "/api/alerts": _operation("Your alerts", _json(record({"alerts": array(any_object)}))),
        "/api/alerts/{number}": _operation(
            "One of your alerts",
            _json(any_object),
            [{"name": "number", "in": "path", "required": True, "schema": _whole(1, 2**31 - 1)}],
            _error("404", "There is no such alert of yours"),
        ),
        "/api/channels": _operation(
            "Your channels, without their addresses", _json(record({"channels": array(any_object)}))
        ),
        "/api/deliveries": _operation(
            "Your messages, the newest first",
            _json(record({"deliveries": array(any_object), "next": nullable({"type": "integer"})})),
            [
                _parameter(
                    "search", "A part of a name, a state, a reason or an ASIN", {**TEXT, "maxLength": 100}
                ),
                _parameter("before", "Those made before the message with this number", _whole(1, 2**53)),
                _parameter("limit", "Messages at most", _whole(1, 200)),
            ],
        ),
        "/export.csv": _operation(
            "All deals of a view, for spreadsheets", {"text/csv": text}, [*files, _separator()]
        ),
        "/export.xlsx": _operation(
            f"All deals of a view as an Excel workbook, at most {MAX_DEALS:,}",
            {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}},
            files,
        ),
        "/export.txt": _operation("The ASINs of a view, one a line", {"text/plain": text}, files),
        "/export.json": _operation("All deals of a view", _json(_export()), files),
        "/feed.atom": _operation("The first page of a view as a feed", {"application/atom+xml": text}, files),
        "/healthz": _open("Whether the process answers", record({"status": {"type": "string"}})),
        "/readyz": _open(
            "Whether database, Redis and the deals are as they should be",
            reference("Ready"),
            {"503": {"description": "Not ready, with the reasons", "content": _json(reference("Ready"))}},
        ),
        "/metrics": _operation("The state of the service for Prometheus", {"text/plain": text}),
    }


def _changes() -> dict[str, Json]:
    """What changes something, by its path and method: with a token that may write, or a page's token."""
    body = {"required": True, "content": _json(_wanted_marks())}
    marks = {
        "patch": {"requestBody": body, **_change("Change the marks that are stated; the others stay")},
        "post": {"requestBody": body, **_change("The same as PATCH")},
        "put": {"requestBody": body, **_change("Set the deal's own marks; the others are taken away")},
        "delete": _change("Take the deal's own marks away"),
    }
    return {MARKS: marks}


def _change(summary: str) -> Json:
    return {
        "summary": summary,
        "parameters": _deal_parameters(),
        "responses": {
            "200": {"description": "The marks afterwards", "content": _json(reference("Marks"))},
            **_error("400", "A field is wrong, and named; or the page's token is missing"),
            **_error("401", "Neither session nor token"),
            **_error("403", "A token that may only read"),
            **_error("404", "There is no such deal, and no mark of yours on it"),
            **_error("415", "Not sent as JSON"),
            **_error("429", "Too many changes"),
            **_error("503", "The database does not answer"),
        },
    }


def _wanted_marks() -> Json:
    flag: Json = {"type": "boolean"}
    bought: Json = {
        "type": ["object", "null"],
        "required": ["price"],
        "properties": {
            "price": _whole(0, MAX_PRICE),
            "quantity": _whole(1, MAX_QUANTITY),
            "at": {"type": ["string", "null"], "format": "date-time"},
        },
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "star": flag,
            "hide": HIDE,
            "hide_brand": flag,
            "hide_category": flag,
            "note": nullable({**TEXT, "maxLength": MAX_NOTE}),
            "bought": bought,
        },
        "additionalProperties": False,
    }


# -- operations ----------------------------------------------------------------------------------
def _operation(
    summary: str, content: Json, parameters: list[Json] | None = None, more: Json | None = None
) -> Json:
    """An operation that needs a log-in where there is a password."""
    etag = {"ETag": {"description": "For If-None-Match", "schema": {"type": "string"}}}
    success = {"description": summary, "content": content, "headers": etag}
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {
            "200": success,
            "304": {"description": "The reader has this very answer (If-None-Match)"},
            **_error("400", "A parameter is wrong, and named; or a strange host name was used"),
            **_error("401", "Neither session nor token"),
            **_error("503", "The database does not answer, or no password is set where one is needed"),
            **(more or {}),
        },
    }


def _open(summary: str, schema: Json, more: Json | None = None) -> Json:
    """An operation that anybody may ask for."""
    responses = {"200": {"description": summary, "content": _json(schema)}}
    return {
        "summary": summary,
        "security": [],
        "responses": {**responses, **_error("400", "A strange host name was used"), **(more or {})},
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _separator() -> Json:
    """How a CSV is written."""
    return {
        "name": "separator",
        "in": "query",
        "description": "semicolon: with decimal commas, as spreadsheets of many locales read it",
        "schema": {"type": "string", "enum": list(map(str, Separator)), "default": "comma"},
    }


def _error(status: str, text: str) -> Json:
    """Files are for people, too, who get a page."""
    content = {**_json(reference("Error")), "text/html": {"schema": {"type": "string"}}}
    return {status: {"description": text, "content": content}}


# -- answers -------------------------------------------------------------------------------------
def _page() -> Json:
    cursor = nullable({"type": "string", "description": "The cursor of the next page"})
    return record({"deals": array(reference("Deal")), "total": COUNT, "hidden": COUNT, "next": cursor})


def _export() -> Json:
    text: Json = {"type": "string"}
    return record({"as_of": {**text, "format": "date-time"}, "view": text, "deals": array(reference("Deal"))})


def _one_deal() -> Json:
    return record(
        {
            "deal": reference("Deal"),
            "history": array(reference("Point")),
            "keepa_history": {"anyOf": [reference("Past"), {"type": "null"}]},
            "events": array(reference("Event")),
        }
    )


def _status() -> Json:
    return reference("Status")


# -- parameters ----------------------------------------------------------------------------------
def _parameter(name: str, text: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _one_of(values: Any) -> Json:
    return {"type": "string", "enum": [str(value) for value in values]}


def _whole(least: int, most: int) -> Json:
    return {"type": "integer", "minimum": least, "maximum": most}


def _view_parameters() -> list[Json]:
    looks = "How the page shows it; no matter here"
    return [
        *(_parameter(each.name, each.description, each.schema()) for each in FILTERS.values()),
        _parameter("interval", "Over which time changes are meant", _one_of(Interval)),
        _parameter("sort", "What to sort by", _one_of(SORTS)),
        _parameter("order", "Direction", _one_of(Order)),
        _parameter("layout", looks, _one_of(Layout)),
        _parameter("density", looks, _one_of(Density)),
        _parameter("limit", "Deals a page", _whole(1, MAX_LIMIT)),
    ]


def _term_parameters() -> list[Json]:
    """Amounts in units of the currency, shares in percent, as a person types them."""
    return [
        _parameter(name, LABELS[name], {"type": "string", "pattern": term_pattern(name)}) for name in TermName
    ]


def _cursor() -> Json:
    return _parameter("cursor", "`next` of the page before", {"type": "string", "maxLength": MAX_CURSOR})


def _deal_parameters() -> list[Json]:
    return [
        {"name": "domain_id", "in": "path", "required": True, "schema": _whole(1, 99)},
        {
            "name": "asin",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": "^[A-Z0-9]{10}$"},
        },
    ]
