"""What changes something is limited, by person or by address: a form sent in a loop must not fill tables."""

from __future__ import annotations

from flask import Flask, request

from keepa_deals.web.auth.guard import current_person
from keepa_deals.web.http.methods import READ_ONLY_METHODS
from keepa_deals.web.http.networks import reader_networks
from keepa_deals.web.http.throttle import Rule
from keepa_deals.web.services import current_services

PER_READER = "60 per minute; 600 per hour"
"""More than a person clicks."""
_COUNTED_ELSEWHERE = "access"
"""The log-in has limits of its own."""


def configure(app: Flask) -> None:
    """After the check of the form's token: what a page elsewhere sends is no reader's doing."""
    app.before_request(_count)


def _count() -> None:
    if (
        request.method in READ_ONLY_METHODS
        or request.endpoint is None
        or request.blueprint == _COUNTED_ELSEWHERE
    ):
        return
    person = current_person()
    reader = reader_networks(request.remote_addr)[0] if person.id is None else f"person {person.id}"
    current_services().throttle.take("changes", [Rule(PER_READER, ("changes", reader))])
