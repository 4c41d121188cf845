"""Browsers that were logged in before, told by a signed cookie that outlives sessions and log-outs.

It opens nothing. It only lets an attempt to log in be counted by its browser and not with strangers'.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from flask import Response, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

LIFETIME = timedelta(days=400)
"""The longest that browsers keep a cookie."""
_SALT = "keepa_deals known browser"


def browser(now: datetime) -> str | None:
    """The name of the browser that asks; ``None`` for one that was never logged in, or too long ago."""
    try:
        name, until = _serializer().loads(request.cookies.get(_cookie(), ""))
    except (BadSignature, ValueError, TypeError):
        return None
    return str(name) if now.timestamp() < until else None


def remember(response: Response, now: datetime) -> None:
    """Let the browser that gets ``response`` be known from now on, by the name that it has or a new one."""
    name = browser(now) or secrets.token_hex(16)
    response.set_cookie(
        _cookie(),
        str(_serializer().dumps([name, int((now + LIFETIME).timestamp())])),
        max_age=LIFETIME,
        path=f"{request.script_root}/login",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def _serializer() -> URLSafeSerializer:
    key = current_app.secret_key
    assert isinstance(key, bytes)
    return URLSafeSerializer(key, salt=_SALT)


def _cookie() -> str:
    return f"{current_app.config['SESSION_COOKIE_NAME']}_known"
