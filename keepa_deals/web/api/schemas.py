"""The shapes of the API's answers, as JSON Schema, made from the tables where they mirror one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Integer, String

from keepa_deals.db.models import Deal, SearchOwner
from keepa_deals.deals.economics.pricing import Fulfilment, SellPrice
from keepa_deals.deals.economics.sell_price import Doubt
from keepa_deals.deals.economics.terms import Certainty, Source, TermName
from keepa_deals.deals.kinds import DealEventKind, EndedReason
from keepa_deals.deals.may_sell import MaySell
from keepa_deals.deals.price_history import Line
from keepa_deals.deals.risks import Risk, names
from keepa_deals.ingest.upsert.budget import Limit
from keepa_deals.jobs import FEEDING_JOBS
from keepa_deals.keepa.selection_files import MAX_WEIGHT, MIN_WEIGHT
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.query.amounts import Unit
from keepa_deals.web.deals.row import doubt_names
from keepa_deals.web.deals.serializers import COPIED, MOMENTS

Json = dict[str, Any]

MOMENT: Json = {"type": "string", "format": "date-time"}
COUNT: Json = {"type": "integer", "minimum": 0}

HIDE: Json = {
    "anyOf": [
        {"type": "boolean"},
        {
            "type": "object",
            "required": ["until_cheaper_percent"],
            "properties": {"until_cheaper_percent": {"type": "integer", "minimum": 1, "maximum": 99}},
            "additionalProperties": False,
        },
    ]
}
"""Whether a deal is out of sight: for good, or until it is so much cheaper than now."""


def nullable(schema: Json) -> Json:
    """The same or ``null``, which always means "unknown"."""
    named = "enum" in schema
    return {
        **schema,
        "type": [schema["type"], "null"],
        **({"enum": [*schema["enum"], None]} if named else {}),
    }


def record(properties: Json, *, open_ended: bool = False) -> Json:
    """An object that has all of these properties, and others only when it is ``open_ended``."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": open_ended,
    }


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> Json:
    """What the paths refer to."""
    reasons: Json = {"type": "string", "enum": [str(reason) for reason in EndedReason]}
    kinds: Json = {"type": "string", "enum": [str(kind) for kind in DealEventKind]}
    integer: Json = {"type": "integer"}
    history = {"at": MOMENT, **dict.fromkeys(("price", "price_avg_90", "sales_rank"), nullable(integer))}
    text: Json = {"type": "string"}
    step = record({"at": MOMENT, "value": nullable(integer)})
    return {
        "Deal": _deal(reasons),
        "Marks": _marks(),
        "Economics": _economics(),
        "Point": record(history),
        "Past": record(
            {
                "read_at": MOMENT,
                **dict.fromkeys(("price", "sales_rank", *map(str, Line)), array(step)),
                "sales": array(MOMENT),
            }
        ),
        "Event": record({"at": MOMENT, "kind": kinds, "reason": nullable(reasons)}),
        "Search": _search(),
        "Problem": record({"name": text, "text": text}),
        "Status": _status(),
        "Ready": _ready(),
        "Error": _error(),
    }


def _deal(reasons: Json) -> Json:
    text: Json = {"type": "string"}
    states: Json = {"type": "string", "enum": ["live", "stale", "ended"]}
    return record(
        {
            **{name: _column(name) for name in COPIED},
            **{name: _moment(name) for name in MOMENTS},
            "domain_id": {"type": "integer", "enum": list(MARKETPLACES)},
            "status": states,
            "sell_doubts": {**array(_doubt()), "type": ["array", "null"]},
            "risks": {**array({"type": "string", "enum": names(sum(Risk))}), "type": ["array", "null"]},
            "may_sell": nullable({"type": "string", "enum": [answer.word for answer in MaySell]}),
            "ended_reason": nullable(reasons),
            "currency": text,
            "category_id": nullable({"type": "integer"}),
            "category": nullable(text),
            "image_url": nullable(text),
            "url": text,
            "amazon_url": text,
            "marks": reference("Marks"),
        }
    )


def _marks() -> Json:
    """What whoever asks marked on a deal."""
    flag: Json = {"type": "boolean"}
    bought = record({"at": MOMENT, "price": COUNT, "quantity": COUNT})
    return record(
        {
            "star": flag,
            "hide": HIDE,
            "hide_brand": flag,
            "hide_category": flag,
            "hidden": flag,
            "note": nullable({"type": "string"}),
            "bought": {"anyOf": [bought, {"type": "null"}]},
        }
    )


def _doubt() -> Json:
    """What speaks against a sale price."""
    return {"type": "string", "enum": doubt_names(sum(Doubt))}


def _economics() -> Json:
    text, amount = {"type": "string"}, nullable({"type": "integer"})
    names: Json = {"type": "string", "enum": list(map(str, TermName))}
    term = record(
        {
            "name": names,
            "label": text,
            "unit": {"type": "string", "enum": [str(Unit.MONEY), str(Unit.BASIS_POINTS), str(Unit.COUNT)]},
            "value": amount,
            "effect": {**amount, "description": "What it adds to the profit; the effects' sum is the profit"},
            "source": {"type": "string", "enum": list(map(str, Source))},
            "note": text,
            "certainty": {"type": "string", "enum": list(map(str, Certainty))},
        }
    )
    results = dict.fromkeys(("profit", "roi_bp", "margin_bp", "break_even", "other_profit"), amount)
    ways: Json = {"type": "string", "enum": list(map(str, Fulfilment))}
    return record(
        {
            "currency": text,
            "terms": array(term),
            **results,
            "other_way": ways,
            "unknown": array(names),
            "doubts": array(_doubt()),
            "candidates": record(dict.fromkeys(map(str, SellPrice), amount)),
        }
    )


_MEANINGS = {
    "found_at": "When it was first seen here, or came back after it had ended",
    "deal_created_at": "Keepa's creationDate: when the price last changed. It moves with each change of "
    "the price; when the deal was found is found_at",
    "first_seen_at": "When it was first seen here; its return does not change it",
    "last_seen_at": "When Keepa last said that it holds",
}


def _moment(name: str) -> Json:
    schema = nullable(MOMENT) if _may_be_null(name) else MOMENT
    return {**schema, "description": _MEANINGS[name]} if name in _MEANINGS else schema


def _may_be_null(name: str) -> bool:
    return bool(Deal.__table__.c[name].nullable)


def _column(name: str) -> Json:
    kind = Deal.__table__.c[name].type
    names = ((Boolean, "boolean"), (Integer, "integer"), (String, "string"))
    schema: Json = {"type": next(text for known, text in names if isinstance(kind, known))}
    return nullable(schema) if _may_be_null(name) else schema


def _status() -> Json:
    """The part that the contract names; more may be there."""
    number, moment, text = nullable(COUNT), nullable(MOMENT), nullable({"type": "string"})
    # A balance may be below zero: Keepa charges a call that cost more than there was.
    tokens = record(
        {
            "available": nullable({"type": "integer"}),
            "refill_rate": number,
            "capacity": number,
            "as_of": moment,
        },
        open_ended=True,
    )
    state = record(
        {
            **dict.fromkeys(("last_started_at", "last_success_at"), moment),
            **dict.fromkeys(("last_outcome", "lock_holder"), text),
            **dict.fromkeys(("rows", "tokens_spent"), number),
        },
        open_ended=True,
    )
    jobs = record(dict.fromkeys((job.name for job in FEEDING_JOBS), state), open_ended=True)
    return record(
        {
            "deals": record(dict.fromkeys(("live", "stale", "ended"), number), open_ended=True),
            "tokens": tokens,
            "jobs": jobs,
            "beat": record({"last_tick_at": moment}, open_ended=True),
            "problems": array(reference("Problem")),
            "column_cache": record(
                {
                    "age_seconds": nullable({"type": "number", "minimum": 0}),
                    "deals": COUNT,
                    "is_whole": {"type": "boolean"},
                }
            ),
            "errors": {"type": "object", "additionalProperties": {"type": "string"}},
            "taken_at": MOMENT,
        },
        open_ended=True,
    )


def _search() -> Json:
    text, number = {"type": "string"}, nullable(COUNT)
    return record(
        {
            "id": COUNT,
            "name": text,
            "domain_id": {"type": "integer", "enum": list(MARKETPLACES)},
            "price_type": COUNT,
            "state": {"type": "string", "enum": ["active", "paused", "refused"]},
            "owner": {"type": "string", "enum": [str(owner) for owner in SearchOwner]},
            "weight": {"type": "integer", "minimum": MIN_WEIGHT, "maximum": MAX_WEIGHT},
            "fresh_minutes": COUNT,
            "matching": number,
            "kept": number,
            "live": COUNT,
            "oldest_seen_at": nullable(MOMENT),
            "tokens_per_hour_planned": number,
            "tokens_per_hour_spent": COUNT,
            "tokens_per_minute_needed": nullable({"type": "number", "minimum": 0}),
            "limit": nullable({"type": "string", "enum": [str(limit) for limit in Limit]}),
            "error": nullable(text),
        }
    )


def _ready() -> Json:
    """Who has not logged in learns ``ready`` only."""
    ready = record({"ready": {"type": "boolean"}, "problems": array(reference("Problem"))})
    return {**ready, "required": ["ready"]}


def _error() -> Json:
    problem = record(
        {"status": {"type": "integer"}, "message": {"type": "string"}, "parameter": {"type": "string"}}
    )
    return record({"error": {**problem, "required": ["status", "message"]}})
