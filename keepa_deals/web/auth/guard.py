"""In front of every view: is this our address, and may this reader see it?"""

from __future__ import annotations

from enum import StrEnum

from flask import Flask, Response, g, redirect, request, url_for
from flask.globals import request_ctx

from keepa_deals.people.errors import AccessError
from keepa_deals.people.person import UNNAMED, Person, Register, Token
from keepa_deals.roles import Role, Scope
from keepa_deals.web.auth import roles, sessions
from keepa_deals.web.http import errors
from keepa_deals.web.http.addresses import parts_of
from keepa_deals.web.http.methods import READ_ONLY_METHODS
from keepa_deals.web.services import current_services

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
OPEN_TO_ALL = frozenset(
    (
        *("static", "probes.healthz", "probes.readyz", "access.log_in", "access.try_password"),
        *("alerts.muting", "alerts.mute"),
    )
)
"""What a reader without a log-in may see: no deal and no figure; of an alert whose signed link they have, its
name."""
OPEN_WITHOUT_LOOKING = frozenset({"static", "probes.healthz"})
"""What is the same for everybody: answered whether or not anybody knows who may log in."""
NOBODY = Person(None, "", Role.READER)
"""A stranger."""


class Reader(StrEnum):
    """How somebody asks. ``ANYBODY`` is a reader of a dashboard without people."""

    STRANGER = "stranger"
    ANYBODY = "anybody"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105  # a kind of reader


def configure(app: Flask) -> None:
    app.before_request(_check_host)
    app.before_request(_check_reader)
    app.register_error_handler(AccessError, _unreadable)
    app.context_processor(_for_templates)


def _for_templates() -> dict[str, object]:
    person = current_person()
    return {
        "logged_in": reader() is Reader.SESSION,
        "person": person,
        "may_operate": person.role.may(Role.OPERATOR),
    }


def reader() -> Reader:
    """Who asks for the present answer."""
    identified: Reader = g.get("reader", Reader.STRANGER)
    return identified


def reader_key() -> str:
    """Stands for all that an answer may depend on by who asks."""
    return f"{reader()} {current_person()}"


def bears_token() -> bool:
    """Whether the request carries a token in a header that no page elsewhere can make a browser send."""
    given = request.authorization
    return reader() is Reader.TOKEN and given is not None and given.type == "bearer"


def is_program_of_open_dashboard() -> bool:
    """Whether it is a program on this machine that asks a dashboard without people, and no page elsewhere.

    A page elsewhere can send no JSON to us, and nothing by these methods, without asking first, which nobody
    answers; and its browser states where it is from.
    """
    if reader() is not Reader.ANYBODY or request.endpoint not in roles.BY_PROGRAMS:
        return False
    origin = request.headers.get("Origin")
    is_ours = origin is None or parts_of(origin).netloc == request.host
    return is_ours and (request.mimetype == "application/json" or request.method != "POST")


def current_token() -> Token | None:
    """The token of the program that asks; ``None`` for people."""
    token: Token | None = g.get("token")
    return token


def current_person() -> Person:
    """Who asks for the present answer; ``id`` is ``None`` for the unnamed reader of an open dashboard."""
    person: Person = g.get("person", NOBODY)
    return person


def _check_host() -> Response | None:
    """Refuse names that are not ours: a page elsewhere could have its own name lead to loopback."""
    settings = current_services().settings
    trusted = settings.trusted_hosts
    if settings.dashboard_is_public and not trusted and request_ctx.url_adapter is not None:
        return None  # any name: without a log-in there is nothing to see, and cookies belong to one name
    names = {name.lower() for name in (*LOOPBACK_NAMES, settings.dashboard_host, *trusted)}
    if all(_name_of(host) in names for host in _hosts()):
        return None
    if request_ctx.url_adapter is None:  # Flask found it malformed and can't make a page's addresses
        return Response("This is no host name.", 400, content_type="text/plain; charset=utf-8")
    return errors.answer(400, "This dashboard does not go by that name: see DASHBOARD_TRUSTED_HOSTS.")


def _hosts() -> tuple[str, ...]:
    """What was asked for, and what the proxy in front was asked for where its word counts.

    Whoever reaches us past the proxy (a page elsewhere whose name leads to loopback) can state the second
    one as it likes, but not the first.
    """
    original = request.environ.get("werkzeug.proxy_fix.orig", {}).get("HTTP_HOST")
    stated = request.headers.get("Host", "")
    return (stated,) if original is None else (original, stated)


def _name_of(host: str) -> str | None:
    """The name in a ``Host`` header, without its port; ``None`` for what is no address."""
    return parts_of(f"//{host}").hostname


def _check_reader() -> Response | None:
    services = current_services()
    if request.endpoint in OPEN_WITHOUT_LOOKING:
        return None
    known = services.people.read()
    _identify(known)
    if not known.accounts and services.settings.dashboard_is_public:
        return errors.answer(503, "No password is set: 'keepa-deals dashboard password' sets one.")
    if g.reader is Reader.STRANGER:
        return None if request.endpoint in OPEN_TO_ALL else _refuse()
    return _lacks_right()


def _identify(known: Register) -> None:
    """Note who asks, and for whom."""
    services = current_services()
    g.reader, g.person = Reader.STRANGER, NOBODY
    if not known.accounts:
        g.reader, g.person = Reader.ANYBODY, UNNAMED
    elif (account := sessions.logged_in(services.people, services.clock.now())) is not None:
        g.reader, g.person = Reader.SESSION, account.person
    elif (token := _token(known)) is not None and (owner := known.numbered(token.person_id)) is not None:
        g.reader, g.person, g.token = Reader.TOKEN, owner.person, token


def _token(known: Register) -> Token | None:
    given = request.authorization
    # Feed readers and browsers know Basic only: there the token is the password, under any user name.
    secret = (given.token or given.password) if given is not None else None
    return known.token(secret) if secret else None


def _lacks_right() -> Response | None:
    """The refusal of what this person, or their token, may not do."""
    if request.endpoint is None:
        return None  # no route: not found
    if g.reader is Reader.TOKEN and request.method not in READ_ONLY_METHODS:
        if g.token.scope is not Scope.WRITE:
            return errors.answer(403, "A token may only read; one made with --write may set marks.")
        if request.endpoint not in roles.BY_PROGRAMS or not bears_token():
            return errors.answer(403, "A token may change marks by the API alone, sent as Bearer.")
    wanted = roles.needed(request.endpoint, request.method)
    if g.person.role.may(wanted):
        return None
    return errors.answer(
        403, f"That is for {wanted}s, and {g.person.name} is {g.person.role}: ask an admin of this dashboard."
    )


def _refuse() -> Response:
    """To the log-in for people, 401 for programs (a page's own script included)."""
    if wants_page():
        address = request.full_path if request.query_string else request.path
        response = redirect(url_for("access.log_in", next=address), 303)
        assert isinstance(response, Response)
        return response
    response = errors.answer(401, "Log in, or send a token: Authorization: Bearer <token>.")
    scheme = "Basic" if request.path.endswith(".atom") else "Bearer"
    response.headers["WWW-Authenticate"] = f'{scheme} realm="keepa_deals"'
    return response


def wants_page() -> bool:
    """Whether a browser is on its way to a page (and not a program, a script or a feed reader)."""
    if request.method != "GET" or errors.wants_json() or "Authorization" in request.headers:
        return False
    return request.headers.get("Sec-Fetch-Dest", "document") == "document"


def _unreadable(error: AccessError) -> Response:
    del error  # names a path
    return errors.answer(503, "The dashboard can't read who may log in. 'keepa-deals user list' says why.")
