"""Alerts, channels and messages for programs: ``/api/alerts``, ``/api/channels``, ``/api/deliveries``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from keepa_deals.alerts import book
from keepa_deals.alerts.book import NotThereError
from keepa_deals.db.models import Alert, Channel, Delivery
from keepa_deals.humanize import iso
from keepa_deals.query.parameters import ParameterError, read_integer, reject_unknown
from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.services import current_services

blueprint = Blueprint("alerts_api", __name__, url_prefix="/api")

Json = dict[str, Any]
MAX_DELIVERIES = 200


@blueprint.get("/alerts")
def alerts() -> Response:
    """A person's alerts."""
    with current_services().database.session() as session:
        rows = book.listed(session, Alert, current_person().id)
        channels = book.channels_of(session, rows)
        return jsonify(alerts=[alert_json(row, channels[row.id]) for row in rows])


@blueprint.get("/alerts/<int:number>")
def alert(number: int) -> Response:
    """One alert."""
    with current_services().database.session() as session:
        try:
            row = book.owned(session, Alert, current_person().id, number)
        except NotThereError:
            abort(404, "There is no such alert of yours")
        return jsonify(alert_json(row, book.channels_of(session, [row])[row.id]))


@blueprint.get("/channels")
def channels() -> Response:
    """A person's channels; their addresses are never told."""
    with current_services().database.session() as session:
        return jsonify(
            channels=[channel_json(one) for one in book.listed(session, Channel, current_person().id)]
        )


@blueprint.get("/deliveries")
def deliveries() -> Response:
    """A person's messages, the newest first; ``before`` a message's number, those made earlier."""
    reject_unknown(request.args.to_dict(flat=False), ("search", "before", "limit"))
    before = _number("before", 2**53)
    limit = _number("limit", MAX_DELIVERIES) or 50
    search = request.args.get("search", "")
    if len(search) > 100:
        raise ParameterError("search", "at most 100 characters")
    with current_services().database.session() as session:
        rows = book.deliveries(session, current_person().id, search=search, most=limit, before=before)
        return jsonify(
            deliveries=[delivery_json(*row) for row in rows],
            next=rows[-1][0].id if len(rows) == limit else None,
        )


def _number(name: str, most: int) -> int | None:
    text = request.args.get(name)
    return None if text is None else read_integer(name, text, 1, most)


def alert_json(row: Alert, numbers: Sequence[int]) -> Json:
    rule: Mapping[str, Any] = row.rule if isinstance(row.rule, dict) else {}
    return {
        "id": row.id,
        "name": row.name,
        "view": row.query,
        **{name: rule.get(name) for name in ("trigger", "rearm", "quiet", "digest", "best")},
        "channels": list(numbers),
        "state": str(row.state),
        "problem": row.problem,
        "muted_until": iso(row.muted_until),
        "created_at": iso(row.created_at),
        "last_told_at": iso(row.last_told_at),
        "told": row.told_count,
    }


def channel_json(row: Channel) -> Json:
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "address": row.shown,
        "tells_of_service": row.tells_of_service,
        "created_at": iso(row.created_at),
        "last_sent_at": iso(row.last_sent_at),
        "failures": row.failures,
        "last_failed_at": iso(row.last_failed_at),
        "last_error": row.last_error,
        "resting_until": iso(row.resting_until),
    }


def delivery_json(row: Delivery, channel: str, alert: str | None) -> Json:
    only = row.deals[0] if row.deal_count == 1 and row.deals else None
    return {
        "id": row.id,
        "alert": alert,
        "alert_id": row.alert_id,
        "channel": channel,
        "channel_id": row.channel_id,
        "kind": str(row.kind),
        "deal": None if only is None else {"domain_id": only[0], "asin": only[1], "event": only[2]},
        "count": row.deal_count,
        "state": str(row.state),
        "at": iso(row.finished_at or row.created_at),
        "due_at": iso(row.retry_at or row.due_at),
        "attempts": row.attempts,
        "error": row.error,
    }
