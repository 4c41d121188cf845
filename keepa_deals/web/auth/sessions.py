"""Sessions in a signed cookie, and what makes each of them end."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface

from keepa_deals.people.access_file import AccessFile
from keepa_deals.people.directory import Directory
from keepa_deals.people.person import Account
from keepa_deals.settings import Settings

LIFETIME = timedelta(days=14)
_ID, _PERSON, _STAMP, _UNTIL = "id", "person", "stamp", "until"


class _Cookies(SecureCookieSessionInterface):
    def get_cookie_path(self, app: Flask) -> str:
        """Behind a prefix other services share the name: they are not sent it."""
        del app
        return f"{request.script_root}/"

    def get_cookie_secure(self, app: Flask) -> bool:
        """Over TLS the cookie never goes over anything else; plain HTTP on loopback has to work too."""
        del app
        return request.is_secure


def configure(app: Flask, settings: Settings, file: AccessFile) -> None:
    app.secret_key = file.session_key()
    app.session_interface = _Cookies()
    app.config.update(
        # Cookies know no ports: two deployments on one host would throw each other's readers out.
        SESSION_COOKIE_NAME=f"keepa_deals_{settings.dashboard_port}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )


def begin(account: Account, now: datetime) -> None:
    """Log a person in, under a new session."""
    session.clear()
    session.permanent = True
    session[_ID] = secrets.token_hex(16)
    session[_PERSON] = account.person.id
    session[_STAMP] = account.stamp
    session[_UNTIL] = int((now + LIFETIME).timestamp())


def logged_in(people: Directory, now: datetime) -> Account | None:
    """Whose session the request comes from; ``None`` without one that is still good."""
    if _PERSON not in session:
        return None
    account = people.read().numbered(session[_PERSON])
    good = (
        account is not None
        and session.get(_STAMP) == account.stamp
        and now.timestamp() < session.get(_UNTIL, 0)
        and not people.is_ended(session.get(_ID, ""))
    )
    return account if good else None


def end(people: Directory, now: datetime) -> None:
    """Log the present reader out, and whoever else holds a copy of the cookie."""
    if _ID in session:
        people.file.end_session(session[_ID], now, datetime.fromtimestamp(session[_UNTIL], now.tzinfo))
    session.clear()
