"""How often a password may be tried, and by whom: strangers by their network, known browsers by themselves.

Strangers share one more count, which a botnet can exhaust. A browser that was logged in before passes it, so
that nobody can shut the readers out; it has a count of its own, so that its cookie is no way around.
"""

from __future__ import annotations

from flask import request

from keepa_deals.web.auth import known_browsers
from keepa_deals.web.http.networks import reader_networks
from keepa_deals.web.http.throttle import Rule, Taken
from keepa_deals.web.services import current_services

PER_READER = "5 per minute; 30 per hour"
"""An IPv4 address, the /64 that an IPv6 reader owns, or a browser that was logged in before."""
PER_SITE = "10 per minute; 60 per hour"
"""The /48 of an IPv6 site."""
OVERALL = "300 per hour"
"""All strangers together: what a botnet may try."""


def take_attempt() -> Taken:
    """Count an attempt before the password is looked at; a ``ThrottledError`` when there were too many."""
    browser = known_browsers.browser(current_services().clock.now())
    if browser is not None:
        rules = [Rule(PER_READER, ("known", browser)), Rule(OVERALL, ("all known",))]
    else:
        rules = [*networks(request.remote_addr), Rule(OVERALL, ("all",))]
    return current_services().throttle.take("wrong passwords", rules)


def networks(remote: str | None) -> list[Rule]:
    """What the attempts of this address are counted under, the smallest network first."""
    limits = (PER_READER, PER_SITE)
    return [Rule(limit, (network,)) for limit, network in zip(limits, reader_networks(remote), strict=False)]
