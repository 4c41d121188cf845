"""The log-in and the log-out, both plain forms."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from keepa_deals.web.access import limits, sessions
from keepa_deals.web.access.guard import Reader, reader
from keepa_deals.web.services import services

blueprint = Blueprint("access", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
def log_in() -> ResponseReturnValue:
    """The form, and what it sends."""
    if reader() in (Reader.ANYBODY, Reader.SESSION):
        return redirect(_destination(), 303)
    if request.method == "GET":
        return render_template("login.html", destination=_destination(), wrong=False)
    here = services()
    if here.credentials.verify(request.form.get("password", "")):
        sessions.begin(here.credentials, here.clock.now())
        current_app.logger.info("log-in from %s", request.remote_addr)
        return redirect(_destination(), 303)
    limits.note_failure()
    current_app.logger.warning("wrong password from %s", request.remote_addr)
    return render_template("login.html", destination=_destination(), wrong=True), 401


@blueprint.post("/logout")
def log_out() -> ResponseReturnValue:
    """End the session, also for copies of its cookie."""
    here = services()
    sessions.end(here.credentials, here.clock.now())
    return redirect(url_for("access.log_in"), 303)


def _destination() -> str:
    """Where to go after the log-in: a place of ours, whatever the parameter says."""
    wished = request.values.get("next", "")
    parts = urlsplit(wished.replace("\\", "/"))
    local = wished.startswith("/") and not parts.scheme and not parts.netloc and wished.isprintable()
    return wished if local and not wished.startswith(("//", "/login", "/logout")) else "/"
