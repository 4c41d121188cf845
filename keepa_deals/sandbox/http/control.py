"""``/_sandbox``: counts and truth to read, account, prices and faults to change. Free.

``stats`` is open to everybody; the rest wants ``Authorization: Bearer <token>``, since it can ruin what
runs against this sandbox.
"""

from __future__ import annotations

import dataclasses
import hmac
import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from keepa_deals.sandbox.core import KEY_STATES, Sandbox
from keepa_deals.sandbox.errors import BadRequest
from keepa_deals.sandbox.faults import parse_fault

PREFIX = "/_sandbox/"
OPEN = PREFIX + "stats"
CLOSED = (
    "this sandbox was started without a control token: start it with --control-token-file FILE, or with "
    "KEEPA_SANDBOX_TOKEN in its environment"
)
REFUSED = "send the sandbox's control token as Authorization: Bearer TOKEN"


def add_control_paths(app: Flask, sandbox: Sandbox, token: str | None) -> None:
    """Let ``app`` look behind and meddle with ``sandbox``; without a ``token`` only its counts are open."""

    @app.before_request
    def guard() -> Response | None:
        if not request.path.startswith(PREFIX) or request.path == OPEN:
            return None
        return refusal(token)

    @app.get(OPEN)
    def stats() -> dict[str, Any]:
        return dataclasses.asdict(sandbox.account.statistics())

    _add_reading(app, sandbox)
    _add_changing(app, sandbox)


def refusal(token: str | None) -> Response | None:
    """Why a request for a closed path is refused; ``None`` when it is not."""
    if token is None:
        return _json({"error": CLOSED}, 403)
    given = request.headers.get("Authorization", "").encode("utf-8", "replace")
    if hmac.compare_digest(given, f"Bearer {token}".encode()):
        return None
    return _json({"error": REFUSED}, 401)


def _add_reading(app: Flask, sandbox: Sandbox) -> None:
    @app.post("/_sandbox/truth")
    def truth() -> Response | dict[str, Any]:
        raw = request.get_json(silent=True, force=True)
        return changed(lambda: {"minute": sandbox.minute, "deals": sandbox.truth(raw)})

    @app.get("/_sandbox/faults")
    def read_faults() -> dict[str, Any]:
        return {str(fault): share for fault, share in sandbox.faults.probabilities.items()}


def _add_changing(app: Flask, sandbox: Sandbox) -> None:
    @app.put("/_sandbox/faults")
    def set_faults() -> Response | dict[str, Any]:
        raw = _object()
        return changed(lambda: sandbox.faults.set(dict(parse_fault(f"{k}={v}") for k, v in raw.items())))

    @app.put("/_sandbox/prices")
    def set_prices() -> Response | dict[str, Any]:
        raw = _object()
        return changed(lambda: sandbox.prices.update({k: float(v) for k, v in raw.items()}))

    @app.patch("/_sandbox/account")
    def change_account() -> Response | dict[str, Any]:
        raw = _object()
        return changed(lambda: _change_account(sandbox, raw))


def _change_account(sandbox: Sandbox, raw: dict[str, Any]) -> None:
    account = sandbox.account
    if raw.get("key", "accepted") not in KEY_STATES:
        raise ValueError(f"key {raw['key']!r}: must be one of {', '.join(KEY_STATES)}")
    sandbox.key_state = raw.get("key", sandbox.key_state)
    if "refill_rate" in raw:
        account.set_refill_rate(int(raw["refill_rate"]))
    if "tokens" in raw:
        account.set_tokens(int(raw["tokens"]))
    if "clock_ahead_ms" in raw:
        account.set_clock_ahead(int(raw["clock_ahead_ms"]))
    account.spend_elsewhere(int(raw.get("spend", 0)))


def _object() -> dict[str, Any]:
    raw = request.get_json(silent=True, force=True)
    return raw if isinstance(raw, dict) else {}


def changed(action: Callable[[], dict[str, Any] | None]) -> Response | dict[str, Any]:
    """The result of ``action``, or 400 with what it finds wrong."""
    try:
        return action() or {"ok": True}
    except (BadRequest, ValueError, TypeError) as error:
        return _json({"error": str(error)}, 400)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
