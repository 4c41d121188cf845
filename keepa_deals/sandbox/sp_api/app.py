"""The sandbox of Amazon's Selling Partner API as a WSGI application, and ``/_sandbox`` to meddle with it.

Statuses and bodies: the models of ``amzn/selling-partner-api-models``. Errors of the log-in: RFC 6749, 5.2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from keepa_deals.sandbox.faults import Fault, Faults, parse_fault
from keepa_deals.sandbox.http.control import OPEN, PREFIX, changed, refusal
from keepa_deals.sandbox.http.responses import Delivery
from keepa_deals.sandbox.sp_api.seller import CREDENTIAL_STATES, DOMAINS, Seller
from keepa_deals.sp_api.client import MAX_QUESTIONS
from keepa_deals.sp_api.plans import RATE_HEADER, Operation

LOGIN_PATH = "/auth/o2/token"
_LOGIN_FIELDS = ("refresh_token", "client_id", "client_secret")
_PROXY_FAULTS = (Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.GATEWAY_TIMEOUT)
_REFUSALS = {
    "refused": ("invalid_client", "Client authentication failed"),
    "revoked": ("invalid_grant", "The request has an invalid grant parameter : refresh_token"),
}


class SpApiSandbox:
    """A seller, and faults on the way. ``stopping`` ends every wait."""

    def __init__(self, seller: Seller, faults: Faults | None = None) -> None:
        self.seller = seller
        self.faults = faults or Faults()
        self.stopping = threading.Event()


def create_app(seller: Seller, faults: Faults | None = None, *, control_token: str | None = None) -> Flask:
    """The application; ``control_token`` opens ``/_sandbox/…``, of which ``stats`` is always open."""
    app = Flask("keepa_deals.sandbox.sp_api", static_folder=None)
    sandbox = SpApiSandbox(seller, faults)
    app.extensions["sandbox"] = sandbox
    app.add_url_rule(LOGIN_PATH, view_func=lambda: _log_in(sandbox), endpoint="log_in", methods=["POST"])

    def route(path: str, operation: Operation, method: str, answer: Callable[[Seller], Any]) -> None:
        app.add_url_rule(
            path,
            endpoint=operation,
            view_func=lambda: _serve(sandbox, operation, answer),
            methods=[method],
        )

    route("/listings/2021-08-01/restrictions", Operation.RESTRICTIONS, "GET", _restrictions)
    route("/products/fees/v0/feesEstimate", Operation.FEES, "POST", _fees)
    _add_control_paths(app, sandbox, control_token)
    return app


def _log_in(sandbox: SpApiSandbox) -> Response:
    fault = sandbox.faults.draw()
    delivery = Delivery(sandbox.stopping)
    if fault in _PROXY_FAULTS:
        return delivery.html_error(int(fault))
    seller = sandbox.seller
    if request.form.get("grant_type") != "refresh_token" or not all(map(request.form.get, _LOGIN_FIELDS)):
        return delivery.json(400, {"error": "invalid_request", "error_description": "a parameter is missing"})
    if seller.credentials != CREDENTIAL_STATES[0]:
        error, words = _REFUSALS[seller.credentials]
        status = 401 if error == "invalid_client" else 400
        return delivery.json(status, {"error": error, "error_description": words})
    body = {"access_token": seller.log_in(), "token_type": "bearer", "expires_in": int(seller.token_seconds)}
    return delivery.json(200, {**body, "refresh_token": request.form["refresh_token"]}, fault)


def _serve(sandbox: SpApiSandbox, operation: Operation, answer: Callable[[Seller], Any]) -> Response:
    """One call: token, usage plan, work, and perhaps a fault on the way out."""
    seller, delivery = sandbox.seller, Delivery(sandbox.stopping)
    fault = sandbox.faults.draw()
    if fault in _PROXY_FAULTS:
        return delivery.html_error(int(fault))
    known = seller.knows(request.headers.get("x-amz-access-token", ""))
    if not known or seller.credentials != CREDENTIAL_STATES[0]:
        details = (
            "The access token you provided has expired." if known is None else "The token is revoked or none."
        )
        return delivery.json(403, _error("Unauthorized", "Access to requested resource is denied.", details))
    if not seller.admit(operation) or fault is Fault.TOO_MANY:
        return delivery.json(
            429, _error("QuotaExceeded", "You exceeded your quota for the requested resource.")
        )
    if fault is Fault.SERVER_ERROR:
        return delivery.json(500, _error("InternalFailure", "We encountered an internal error."))
    try:
        response = delivery.json(200, answer(seller), fault)
    except (KeyError, TypeError, ValueError) as error:
        response = delivery.json(400, _error("InvalidInput", f"Invalid input: {error}"))
    response.headers[RATE_HEADER] = str(seller.rate(operation))
    return response


def _restrictions(seller: Seller) -> dict[str, Any]:
    if not request.args.get("sellerId"):
        raise ValueError("sellerId is missing")
    condition = request.args.get("conditionType")
    places = request.args["marketplaceIds"].split(",")
    return {
        "restrictions": [
            each for place in places for each in seller.restrictions(request.args["asin"], place, condition)
        ]
    }


def _fees(seller: Seller) -> list[dict[str, Any]]:
    asked = request.get_json(silent=True, force=True)
    if not isinstance(asked, list) or not 1 <= len(asked) <= MAX_QUESTIONS:
        raise ValueError(f"1 to {MAX_QUESTIONS} requests are needed")
    for one in asked:
        if one["FeesEstimateRequest"]["MarketplaceId"] not in DOMAINS:
            raise ValueError("Incorrect Marketplace identifier.")
    return [seller.estimate(one) for one in asked]


def _error(code: str, message: str, details: str = "") -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, "details": details}]}


# -- control -------------------------------------------------------------------------------------
def _add_control_paths(app: Flask, sandbox: SpApiSandbox, token: str | None) -> None:
    @app.before_request
    def guard() -> Response | None:
        closed = request.path.startswith(PREFIX) and request.path != OPEN
        return refusal(token) if closed else None

    @app.get(OPEN)
    def stats() -> dict[str, Any]:
        return sandbox.seller.statistics()

    @app.put(f"{PREFIX}faults")
    def set_faults() -> Response | dict[str, Any]:
        raw = request.get_json(silent=True, force=True) or {}
        return changed(lambda: sandbox.faults.set(dict(parse_fault(f"{k}={v}") for k, v in raw.items())))

    @app.patch(f"{PREFIX}seller")
    def change_seller() -> Response | dict[str, Any]:
        raw = request.get_json(silent=True, force=True) or {}
        return changed(lambda: _change(sandbox.seller, raw))


def _change(seller: Seller, raw: dict[str, Any]) -> None:
    """``credentials``, ``token_seconds``, ``expire_tokens``, and ``rates`` by operation."""
    if raw.get("credentials", seller.credentials) not in CREDENTIAL_STATES:
        raise ValueError(f"credentials {raw['credentials']!r}: must be one of {', '.join(CREDENTIAL_STATES)}")
    seller.credentials = raw.get("credentials", seller.credentials)
    seller.token_seconds = float(raw.get("token_seconds", seller.token_seconds))
    for name, rate in raw.get("rates", {}).items():
        seller.set_rate(Operation(name), float(rate))
    if raw.get("expire_tokens"):
        seller.expire_tokens()
