"""What every answer carries and what every request must fulfil, whatever the view."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from keepa_deals.settings import Settings
from keepa_deals.web.format import IMAGE_HOST
from keepa_deals.web.http.prefix import Prefix

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' {IMAGE_HOST}",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def configure(app: Flask, settings: Settings) -> None:
    if settings.dashboard_proxies:
        count = settings.dashboard_proxies
        prefixed = Prefix(app.wsgi_app, count)
        app.wsgi_app = ProxyFix(prefixed, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    app.after_request(_add_headers)
    app.after_request(_answer_conditionally)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-cache, private")
    return response


def _answer_conditionally(response: Response) -> Response:
    """304 when the reader has this very answer already."""
    if (
        request.method in ("GET", "HEAD")
        and response.status_code == 200
        and not response.is_streamed
        and not g.get("one_of_a_kind")
    ):
        response.add_etag()
        response.make_conditional(request)
    return response
