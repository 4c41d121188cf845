"""The OpenAPI description of the JSON API, made from the same tables that the views are read by."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from keepa_deals.settings import DOMAINS
from keepa_deals.web.columns import RANGES, SORTS, Interval
from keepa_deals.web.view import (
    FLAGS,
    MAX_CATEGORIES,
    MAX_CURSOR,
    MAX_LIMIT,
    MAX_TEXT,
    Density,
    Layout,
    Order,
    Status,
)

Json = dict[str, Any]
_NULLABLE_INTEGER = {"type": ["integer", "null"]}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}


def describe() -> Json:
    """The description as a JSON object (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "keepa_deals",
            "version": metadata.version("keepa-deals"),
            "description": "Live Keepa deals. Money is in the currency's smallest unit, times are UTC.",
        },
        "paths": {
            "/api/deals": {"get": _deals()},
            "/api/deals/{domain_id}/{asin}": {"get": _deal()},
            "/api/status": {"get": _plain("The state of the service", {"type": "object"})},
            "/api/openapi.json": {"get": _plain("This description", {"type": "object"})},
            "/healthz": {"get": _plain("Whether the process answers", {"type": "object"})},
            "/readyz": {"get": _readyz()},
        },
        "components": {"schemas": {"Deal": _deal_schema(), "Error": _error_schema()}},
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _error(text: str) -> Json:
    return {"description": text, "content": _json({"$ref": "#/components/schemas/Error"})}


def _plain(summary: str, schema: Json) -> Json:
    return {"summary": summary, "responses": {"200": {"description": summary, "content": _json(schema)}}}


def _readyz() -> Json:
    schema: Json = {"type": "object", "required": ["ready", "problems"]}
    found = _plain("Whether database, Redis and the deals are as they should be", schema)
    found["responses"]["503"] = {"description": "Not ready, with the reasons", "content": _json(schema)}
    return found


def _deals() -> Json:
    page: Json = {
        "type": "object",
        "required": ["deals", "total", "next"],
        "properties": {
            "deals": {"type": "array", "items": {"$ref": "#/components/schemas/Deal"}},
            "total": {"type": "integer", "minimum": 0},
            "next": {"type": ["string", "null"], "description": "The cursor of the next page"},
        },
    }
    return {
        "summary": "One page of a view of the deals",
        "parameters": _view_parameters(),
        "responses": {
            "200": {"description": "The page", "content": _json(page)},
            "304": {"description": "The reader has this very page"},
            "400": _error("A parameter is wrong; the error names it"),
            "503": _error("The database does not answer"),
        },
    }


def _deal() -> Json:
    body: Json = {"type": "object", "required": ["deal", "history", "events"]}
    return {
        "summary": "One deal with its history and the events of its life",
        "parameters": [
            {
                "name": "domain_id",
                "in": "path",
                "required": True,
                "schema": {"type": "integer", "minimum": 0},
            },
            {"name": "asin", "in": "path", "required": True, "schema": {"type": "string"}},
        ],
        "responses": {
            "200": {"description": "The deal", "content": _json(body)},
            "404": _error("There is no such deal"),
            "503": _error("The database does not answer"),
        },
    }


def _view_parameters() -> list[Json]:
    def parameter(name: str, text: str, schema: Json) -> Json:
        return {"name": name, "in": "query", "description": text, "schema": schema}

    def one_of(values: Any) -> Json:
        return {"type": "string", "enum": [str(value) for value in values]}

    number: Json = {"type": "string", "pattern": r"^-?\d{1,9}(\.\d{1,2})?$"}
    category: Json = {"type": "array", "maxItems": MAX_CATEGORIES, "items": {"type": "integer", "minimum": 0}}
    return [
        parameter("q", "Words of title or brand, or an ASIN", {"type": "string", "maxLength": MAX_TEXT}),
        parameter("domain", "Keepa's domain id", one_of(DOMAINS)),
        parameter("category", "Root categories; 0 is unknown", category),
        parameter("status", "Which deals", one_of(Status)),
        *(parameter(bound.name, bound.label, number) for bound in RANGES.values()),
        *(parameter(name, text, one_of(kind)) for name, (kind, text) in FLAGS.items()),
        parameter(
            "found_within", "Found within so many hours", {"type": "integer", "minimum": 1, "maximum": 8760}
        ),
        parameter(
            "seen_within", "Seen within so many minutes", {"type": "integer", "minimum": 1, "maximum": 1440}
        ),
        parameter("interval", "Over which time changes are meant", one_of(Interval)),
        parameter("sort", "What to sort by", one_of(SORTS)),
        parameter("order", "Direction", one_of(Order)),
        parameter("layout", "How the page shows it; no matter here", one_of(Layout)),
        parameter("density", "How the page shows it; no matter here", one_of(Density)),
        parameter("limit", "Deals a page", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
        parameter("cursor", "``next`` of the page before", {"type": "string", "maxLength": MAX_CURSOR}),
    ]


def _deal_schema() -> Json:
    integers = ("price", "price_avg_90", "delta_percent", "sales_rank", "profit", "roi_bp", "monthly_sold")
    return {
        "type": "object",
        "required": ["asin", "domain_id", "title", "status", "price", "first_seen_at", "last_seen_at"],
        "properties": {
            "asin": {"type": "string"},
            "domain_id": {"type": "integer"},
            "title": {"type": "string"},
            "status": {"type": "string", "enum": ["live", "stale", "ended"]},
            **dict.fromkeys(integers, _NULLABLE_INTEGER),
            **dict.fromkeys(("first_seen_at", "last_seen_at", "ended_at"), _MOMENT),
        },
    }


def _error_schema() -> Json:
    problem: Json = {
        "type": "object",
        "required": ["status", "message"],
        "properties": {
            "status": {"type": "integer"},
            "message": {"type": "string"},
            "parameter": {"type": "string"},
        },
    }
    return {"type": "object", "required": ["error"], "properties": {"error": problem}}
