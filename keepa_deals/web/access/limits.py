"""How often a password may be tried. Counted in Redis, and in this process while Redis is down."""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Flask, Response, g, request
from flask_limiter import Limiter, RateLimitExceeded

from keepa_deals.errors import SettingsError
from keepa_deals.redis_store import connect_probe
from keepa_deals.settings import Settings
from keepa_deals.web import errors

PER_READER = "5 per minute; 30 per hour"
OVERALL = "300 per hour"
"""All readers together: what a botnet may try. High enough that one stranger can't lock everybody out."""


def configure(app: Flask, settings: Settings) -> None:
    try:
        uri, options = "redis://", {"connection_pool": connect_probe(settings).connection_pool}
    except SettingsError:  # no Redis at all: a dashboard on its own
        uri, options = "memory://", {}
    limiter = Limiter(
        _network,
        storage_uri=uri,
        storage_options={"key_prefix": f"{settings.redis_key_prefix}:login", **options},  # type: ignore[dict-item]
        strategy="fixed-window",
        in_memory_fallback_enabled=True,
    )
    limiter.init_app(app)
    app.register_error_handler(RateLimitExceeded, _too_many)
    for limits, key in ((PER_READER, _network), (OVERALL, lambda: "all")):
        limited = limiter.limit(limits, key_func=key, methods=["POST"], deduct_when=_counts)
        view: Any = app.view_functions["access.log_in"]
        app.view_functions["access.log_in"] = limited(view)


def _network() -> str:
    """Whose tries are counted together: an IPv4 address, or the /64 that an IPv6 reader owns."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def note_failure() -> None:
    """The present request tried a wrong password."""
    g.wrong_password = True


def _counts(response: Response) -> bool:
    del response
    return bool(g.get("wrong_password", False))


def _too_many(error: RateLimitExceeded) -> Response:
    wait = error.limit.limit.get_expiry() if error.limit else 60
    response = errors.answer(429, f"Too many wrong passwords ({error.description}). Wait, then try again.")
    response.headers["Retry-After"] = str(wait)
    return response
