"""The log-in and the log-out, both plain forms."""

from __future__ import annotations

from flask import (
    Blueprint,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from keepa_deals.people import passwords
from keepa_deals.people.person import Account, Register
from keepa_deals.web.auth import known_browsers, rate_limit, sessions
from keepa_deals.web.auth.guard import Reader, reader
from keepa_deals.web.http.addresses import is_address, parts_of, root
from keepa_deals.web.services import current_services

blueprint = Blueprint("access", __name__)


@blueprint.get("/login")
def log_in() -> ResponseReturnValue:
    """The form."""
    if reader() in (Reader.ANYBODY, Reader.SESSION):
        return redirect(root() + _destination(), 303)
    return render_template("auth/login.html", destination=_destination(), wrong=False, name="")


@blueprint.post("/login")
def try_password() -> ResponseReturnValue:
    """What the form sends. Counted before it is looked at: many at once get no more than one by one."""
    if reader() in (Reader.ANYBODY, Reader.SESSION):
        return redirect(root() + _destination(), 303)
    services = current_services()
    attempt = rate_limit.take_attempt()
    typed = request.form.get("name", "")
    account = _account(services.people.read(), typed)
    password_hash = None if account is None else account.password_hash
    if not passwords.is_password(password_hash, request.form.get("password", "")) or account is None:
        who = "nobody known" if account is None else account.person.name  # a password may be typed as a name
        current_app.logger.warning("wrong password for %s from %s", who, request.remote_addr)
        page = render_template("auth/login.html", destination=_destination(), wrong=True, name=typed)
        return page, 401
    attempt.give_back()
    sessions.begin(account, services.clock.now())
    current_app.logger.info("log-in of %s from %s", account.person.name, request.remote_addr)
    response = make_response(redirect(root() + _destination(), 303))
    known_browsers.remember(response, services.clock.now())
    return response


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session, also for copies of its cookie."""
    services = current_services()
    sessions.end(services.people, services.clock.now())
    return redirect(url_for("access.log_in"), 303)


def _account(known: Register, name: str) -> Account | None:
    """Whom somebody means; without a name, the only person there is."""
    if name.strip():
        return known.named(name)
    return known.accounts[0] if len(known.accounts) == 1 else None


def _destination() -> str:
    """Where to go after the log-in, below our root: a place of ours, whatever the parameter says."""
    wished = request.values.get("next", "")
    address = wished.replace("\\", "/")
    parts = parts_of(address)
    local = (
        wished.startswith("/")
        and is_address(address)
        and not parts.scheme
        and not parts.netloc
        and wished.isprintable()
    )
    is_ours = local and not wished.startswith(("//", "/login", "/logout"))
    return wished if is_ours else "/"
