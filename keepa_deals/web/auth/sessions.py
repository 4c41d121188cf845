"""Sessions in a signed cookie, and what makes each of them end."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface

from keepa_deals.settings import Settings
from keepa_deals.web.credentials import CredentialStore

LIFETIME = timedelta(days=14)
_ID, _STAMP, _UNTIL = "id", "stamp", "until"


class _Cookies(SecureCookieSessionInterface):
    def get_cookie_path(self, app: Flask) -> str:
        """Behind a prefix other services share the name: they are not sent it."""
        del app
        return f"{request.script_root}/"

    def get_cookie_secure(self, app: Flask) -> bool:
        """Over TLS the cookie never goes over anything else; plain HTTP on loopback has to work too."""
        del app
        return request.is_secure


def configure(app: Flask, settings: Settings, credentials: CredentialStore) -> None:
    app.secret_key = credentials.session_key()
    app.session_interface = _Cookies()
    app.config.update(
        # Cookies know no ports: two deployments on one host would throw each other's readers out.
        SESSION_COOKIE_NAME=f"keepa_deals_{settings.dashboard_port}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )


def begin(credentials: CredentialStore, now: datetime) -> None:
    """Log the present reader in, under a new session."""
    session.clear()
    session.permanent = True
    session[_ID] = secrets.token_hex(16)
    session[_STAMP] = credentials.read().stamp
    session[_UNTIL] = int((now + LIFETIME).timestamp())


def is_logged_in(credentials: CredentialStore, now: datetime) -> bool:
    """Whether the request comes from a session that is still good."""
    known = credentials.read()
    return (
        session.get(_STAMP) == known.stamp
        and now.timestamp() < session.get(_UNTIL, 0)
        and session.get(_ID) not in known.ended
    )


def end(credentials: CredentialStore, now: datetime) -> None:
    """Log the present reader out, and whoever else holds a copy of the cookie."""
    if _ID in session:
        credentials.end_session(session[_ID], now, datetime.fromtimestamp(session[_UNTIL], now.tzinfo))
    session.clear()
