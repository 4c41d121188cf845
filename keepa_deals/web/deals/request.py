"""What a request asks for: a view, a place in it, and since when it knows the deals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from flask import request
from werkzeug.datastructures import MultiDict

from keepa_deals.query.cursor import Cursor, decode_cursor
from keepa_deals.query.parameters import ParameterError, reject_unknown
from keepa_deals.query.parse import Understood, parse_view, understand
from keepa_deals.query.view import MAX_LIMIT, VIEW_PARAMETERS, View
from keepa_deals.web.services import Services

_KEY = re.compile(r"(\d{1,2})-([A-Z0-9]{10})")


def arguments() -> dict[str, list[str]]:
    """The present request's parameters, each with all its values."""
    given: MultiDict[str, str] = request.args
    return {name: given.getlist(name) for name in given}


def requested_view(services: Services, *, extra: Sequence[str] = ()) -> View:
    """The view that a program asks for: unknown, wrong and empty parameters are refused."""
    given = arguments()
    reject_unknown(given, (*VIEW_PARAMETERS, *extra))
    return parse_view(given, domain_id=services.settings.keepa_domain_id)


def understood_view(services: Services) -> Understood:
    """The view that a person asks for, and what in it is not understood."""
    return understand(arguments(), domain_id=services.settings.keepa_domain_id)


def requested_cursor(view: View) -> Cursor | None:
    token = request.args.get("cursor")
    return decode_cursor(token, view.sort, view.order) if token is not None else None


def requested_since() -> datetime | None:
    """The parameter ``since``: ISO 8601 with a zone; ``ParameterError`` for anything else."""
    text = request.args.get("since", "").strip()
    if not text:
        return None
    wrong = ParameterError("since", "must be a time in ISO 8601 with its zone")
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise wrong from None
    if moment.tzinfo is None:
        raise wrong
    return moment


def read_keys(keys: Sequence[str]) -> list[tuple[int, str]]:
    """Deals as pages name them; ``ParameterError`` for anything else, and for more than a page of them."""
    if len(keys) > MAX_LIMIT:
        raise ParameterError("keys", f"at most {MAX_LIMIT}")
    matches = [_KEY.fullmatch(key, 0) if key.isascii() else None for key in keys]
    if not all(matches):
        raise ParameterError("keys", "must be like 1-B000000000, separated by commas")
    return [(int(match[1]), match[2]) for match in matches if match]
