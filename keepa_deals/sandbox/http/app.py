"""The sandbox as a WSGI application: Keepa's paths, and ``/_sandbox`` to look behind them and to meddle."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from keepa_deals.clock import Clock
from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.core import Answer, Sandbox
from keepa_deals.sandbox.errors import BadRequest
from keepa_deals.sandbox.faults import Fault, Faults
from keepa_deals.sandbox.http.control import add_control_paths
from keepa_deals.sandbox.http.responses import Delivery

KEY_LENGTH = 64
PROXY_FAULTS = (Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.GATEWAY_TIMEOUT, Fault.TOO_MANY)


def create_app(
    account: Account,
    catalogue: Catalogue,
    faults: Faults | None = None,
    *,
    clock: Clock | None = None,
    control_token: str | None = None,
) -> Flask:
    """The application; ``clock`` decides which deals there are (the account has its own).

    ``control_token`` opens ``/_sandbox/…``; ``None`` keeps all but its ``stats`` closed.
    """
    app = Flask("keepa_deals.sandbox", static_folder=None)
    sandbox = Sandbox(account, catalogue, faults, clock)
    app.extensions["sandbox"] = sandbox
    _add_keepa_paths(app, sandbox)
    add_control_paths(app, sandbox, control_token)
    app.register_error_handler(HTTPException, lambda error: _http_error(sandbox, error))
    return app


def _add_keepa_paths(app: Flask, sandbox: Sandbox) -> None:
    def route(path: str, handler: Callable[[], Answer], methods: list[str]) -> None:
        def view() -> Response:
            return _serve(sandbox, path, handler)

        for rule in (path, f"{path}/"):  # the public Python client writes a slash at the end
            app.add_url_rule(rule, endpoint=rule, view_func=view, methods=methods, strict_slashes=True)

    route("/token", lambda: ({}, 0), ["GET"])
    route("/deal", lambda: sandbox.deal(_selection()), ["GET", "POST"])
    route("/product", lambda: sandbox.product(request.args.to_dict()), ["GET"])


def _serve(sandbox: Sandbox, path: str, handler: Callable[[], Answer]) -> Response:
    """One request of Keepa's API: key, tokens, work, price, and perhaps a fault on the way out."""
    account = sandbox.account
    account.count(path)
    fault = sandbox.faults.draw()
    delivery = Delivery(sandbox.stopping)
    if fault in PROXY_FAULTS:
        return delivery.html_error(int(fault))
    refused = _refused_key(sandbox, fault)
    if refused is not None:
        return delivery.json(*refused)
    if fault is Fault.SERVER_ERROR:
        return delivery.json(500, _error(account, "internalServerError", "a fault that was asked for"))
    if path != "/token" and not account.admit():
        return delivery.json(429, account.envelope())  # bare: no error object (recorded)
    if fault is Fault.ERROR_IN_200:
        return delivery.json(200, _error(account, "invalidParameter", "a fault that was asked for"))
    try:
        body, cost = handler()
    except BadRequest as error:
        return delivery.json(error.status, _error(account, "invalidParameter", error.details))
    return delivery.json(200, {**account.charge(cost, processing_ms=1), **body}, fault)


def _refused_key(sandbox: Sandbox, fault: Fault | None) -> tuple[int, dict[str, Any]] | None:
    """Status and body for a key that is unknown (recorded: 400, zeros) or whose subscription has lapsed."""
    unknown = len(request.args.get("key", "")) != KEY_LENGTH or sandbox.key_state == "refused"
    if unknown or fault is Fault.KEY_REFUSED:
        zeros = dict.fromkeys(("refillIn", "refillRate", "tokensLeft", "tokensConsumed"), 0)
        error = {"type": "invalidParameter", "message": "Invalid API key"}
        return 400, {"error": error, **zeros}
    if sandbox.key_state == "lapsed" or fault is Fault.LAPSED:
        return 402, _error(sandbox.account, "paymentRequired", "the subscription has run out")
    return None


def _error(account: Account, kind: str, details: str) -> dict[str, Any]:
    return {**account.envelope(), "error": {"type": kind, "message": details, "details": details}}


def _http_error(sandbox: Sandbox, error: HTTPException) -> Response:
    """404 and 405 as Keepa answers them: with the envelope."""
    body = _error(sandbox.account, error.name, error.description or error.name)
    return Delivery(sandbox.stopping).json(error.code or 500, body)


def _selection() -> object:
    """The deal query of a ``POST`` with a JSON body, or of a ``GET`` with ``selection``."""
    if request.method == "POST":
        return request.get_json(silent=True, force=True)
    for name in request.args:
        if name not in {"key", "selection", "domain"}:
            raise BadRequest(f"{name} is not an option of a deal query")
    try:
        return json.loads(request.args.get("selection", ""))
    except ValueError as error:
        raise BadRequest(f"selection is no JSON: {error}") from None
