"""The sandbox as a WSGI application: Keepa's paths, and ``/_sandbox`` to look behind them and to meddle."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from keepa_deals.clock import Clock, SystemClock
from keepa_deals.keepa.costs import DEAL_PAGE_TOKENS
from keepa_deals.keepa.time import to_keepa_minutes
from keepa_deals.sandbox import products
from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.catalogue import Catalogue
from keepa_deals.sandbox.deals import DealFinder
from keepa_deals.sandbox.delivery import Delivery
from keepa_deals.sandbox.errors import BadRequest
from keepa_deals.sandbox.faults import Fault, Faults, parse_fault
from keepa_deals.sandbox.query import parse_query

KEY_LENGTH = 64
DOMAINS = frozenset({1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12})

Answer = tuple[int, dict[str, Any], int]
"""Status, body without the envelope, cost."""


class Sandbox:
    """The state behind the paths: an account, a catalogue, faults, and by how much calls are overpriced."""

    def __init__(self, account: Account, catalogue: Catalogue, faults: Faults, clock: Clock) -> None:
        self.account = account
        self.catalogue = catalogue
        self.faults = faults
        self.clock = clock
        self.finder = DealFinder(catalogue)
        self.prices: dict[str, float] = {}
        self.stopping = threading.Event()

    @property
    def minute(self) -> int:
        """Keepa's time now."""
        return to_keepa_minutes(self.clock.now())

    def token(self) -> Answer:
        return 200, {}, 0

    def deal(self) -> Answer:
        """``POST`` with a JSON body, or ``GET`` with ``selection``."""
        if request.method == "POST":
            raw = request.get_json(silent=True, force=True)
        else:
            _allow_only({"key", "selection", "domain"})
            raw = _json(request.args.get("selection", ""))
        query = parse_query(raw, domain_ids=DOMAINS)
        return 200, {"deals": self.finder.page(query, self.minute)}, self._price("deal", DEAL_PAGE_TOKENS)

    def product(self) -> Answer:
        query = products.parse_product_query(request.args.to_dict(), domain_ids=DOMAINS)
        minute, found, entries = self.minute, 0, []
        for asin in query.asins:
            item = self.catalogue.find(asin)
            if item is None:
                entries.append(products.unknown(asin, query.domain_id))
            else:
                found += 1
                entries.append(products.describe(self.catalogue, item, query, minute))
        return 200, {"products": entries}, self._price("product", query.cost(found))

    def _price(self, path: str, documented: int) -> int:
        return round(documented * self.prices.get(path, 1.0))

    def truth(self, raw: object) -> list[dict[str, Any]]:
        """The deals that match a query at this very minute, all of them: what a dashboard should show."""
        query = parse_query(raw, domain_ids=DOMAINS)
        return [
            {
                "asin": match.item.facts.asin,
                "price": match.current,
                "created": match.window.start,
                "ends": match.window.end,
            }
            for match in self.finder.find(query, self.minute)
        ]


def create_app(
    account: Account, catalogue: Catalogue, faults: Faults | None = None, *, clock: Clock | None = None
) -> Flask:
    """The application; ``clock`` decides which deals there are (the account has its own)."""
    app = Flask("keepa_deals.sandbox", static_folder=None)
    sandbox = Sandbox(account, catalogue, faults or Faults(), clock or SystemClock())
    app.extensions["sandbox"] = sandbox
    _add_keepa_paths(app, sandbox)
    _add_backdoor(app, sandbox)
    app.register_error_handler(HTTPException, lambda error: _http_error(sandbox, error))
    return app


def _add_keepa_paths(app: Flask, sandbox: Sandbox) -> None:
    def route(path: str, handler: Callable[[], Answer], methods: list[str]) -> None:
        def view() -> Response:
            return _serve(sandbox, path, handler)

        for rule in (path, f"{path}/"):  # the public Python client writes a slash at the end
            app.add_url_rule(rule, endpoint=rule, view_func=view, methods=methods, strict_slashes=True)

    route("/token", sandbox.token, ["GET"])
    route("/deal", sandbox.deal, ["GET", "POST"])
    route("/product", sandbox.product, ["GET"])


def _serve(sandbox: Sandbox, path: str, handler: Callable[[], Answer]) -> Response:
    """One request of Keepa's API: key, tokens, work, price, and perhaps a fault on the way out."""
    account = sandbox.account
    account.count(path)
    fault = sandbox.faults.draw()
    delivery = Delivery(sandbox.stopping)
    if fault in (Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.GATEWAY_TIMEOUT):
        return delivery.html_error(int(fault))
    if len(request.args.get("key", "")) != KEY_LENGTH or fault is Fault.KEY_REFUSED:
        return delivery.json(402, _error(account, "paymentRequired", "the key is unknown or not paid for"))
    if fault is Fault.SERVER_ERROR:
        return delivery.json(500, _error(account, "internalServerError", "a fault that was asked for"))
    if path != "/token" and not account.admit():
        return delivery.json(429, _error(account, "notEnoughToken", "no tokens left"))
    try:
        status, body, cost = handler()
    except BadRequest as error:
        return delivery.json(400, _error(account, "invalidParameter", error.details))
    return delivery.json(status, {**account.charge(cost, processing_ms=1), **body}, fault)


def _error(account: Account, kind: str, details: str) -> dict[str, Any]:
    return {**account.envelope(), "error": {"type": kind, "message": details, "details": details}}


def _http_error(sandbox: Sandbox, error: HTTPException) -> Response:
    """404 and 405 as Keepa answers them: with the envelope."""
    body = _error(sandbox.account, error.name, error.description or error.name)
    return Delivery(sandbox.stopping).json(error.code or 500, body)


def _allow_only(names: set[str]) -> None:
    for name in request.args:
        if name not in names:
            raise BadRequest(f"{name} is not an option of a deal query")


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequest(f"selection is no JSON: {error}") from None


def _add_backdoor(app: Flask, sandbox: Sandbox) -> None:
    """``/_sandbox``: counts and truth to read, account, prices and faults to change. Free."""

    @app.get("/_sandbox/stats")
    def stats() -> dict[str, Any]:
        return dataclasses.asdict(sandbox.account.statistics())

    @app.post("/_sandbox/truth")
    def truth() -> Response | dict[str, Any]:
        raw = request.get_json(silent=True, force=True)
        return _change(lambda: {"minute": sandbox.minute, "deals": sandbox.truth(raw)})

    @app.get("/_sandbox/faults")
    def read_faults() -> dict[str, Any]:
        return {str(fault): share for fault, share in sandbox.faults.probabilities.items()}

    @app.put("/_sandbox/faults")
    def set_faults() -> Response | dict[str, Any]:
        raw = _object()
        return _change(lambda: sandbox.faults.set(dict(parse_fault(f"{k}={v}") for k, v in raw.items())))

    @app.put("/_sandbox/prices")
    def set_prices() -> Response | dict[str, Any]:
        raw = _object()
        return _change(lambda: sandbox.prices.update({k: float(v) for k, v in raw.items()}))

    @app.patch("/_sandbox/account")
    def change_account() -> Response | dict[str, Any]:
        raw = _object()

        def change() -> None:
            if "refill_rate" in raw:
                sandbox.account.set_refill_rate(int(raw["refill_rate"]))
            if "tokens" in raw:
                sandbox.account.set_tokens(int(raw["tokens"]))
            if "clock_ahead_ms" in raw:
                sandbox.account.set_clock_ahead(int(raw["clock_ahead_ms"]))
            sandbox.account.spend_elsewhere(int(raw.get("spend", 0)))

        return _change(change)


def _object() -> dict[str, Any]:
    raw = request.get_json(silent=True, force=True)
    return raw if isinstance(raw, dict) else {}


def _change(action: Callable[[], dict[str, Any] | None]) -> Response | dict[str, Any]:
    """The result of ``action``, or 400 with what it finds wrong."""
    try:
        return action() or {"ok": True}
    except (BadRequest, ValueError, TypeError) as error:
        return Response(json.dumps({"error": str(error)}), 400, mimetype="application/json")
