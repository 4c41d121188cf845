"""How often a password may be tried, and by whom: strangers by their network, known browsers by themselves.

Strangers share one more count, which a botnet can exhaust. A browser that was logged in before passes it, so
that nobody can shut the readers out; it has a count of its own, so that its cookie is no way around.
"""

from __future__ import annotations

import ipaddress

from flask import request

from keepa_deals.web.access import known
from keepa_deals.web.services import services
from keepa_deals.web.throttle import Rule, Taken

PER_READER = "5 per minute; 30 per hour"
"""An IPv4 address, the /64 that an IPv6 reader owns, or a browser that was logged in before."""
PER_SITE = "10 per minute; 60 per hour"
"""The /48 that a site gets, or any tunnel broker gives away: 65,536 networks of one stranger's."""
OVERALL = "300 per hour"
"""All strangers together: what a botnet may try."""


def take_attempt() -> Taken:
    """Count an attempt before the password is looked at; a ``ThrottledError`` when there were too many."""
    browser = known.browser(services().clock.now())
    if browser is not None:
        return services().throttle.take([Rule(PER_READER, ("known", browser)), Rule(OVERALL, ("all known",))])
    return services().throttle.take([*networks(request.remote_addr), Rule(OVERALL, ("all",))])


def networks(remote: str | None) -> list[Rule]:
    """What the attempts of this address are counted under, the smallest network first."""
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return [Rule(PER_READER, ("unknown",))]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return [
                Rule(PER_READER, (_network(address, 64),)),
                Rule(PER_SITE, (_network(address, 48),)),
            ]
        address = address.ipv4_mapped  # else all of IPv4 were one network
    return [Rule(PER_READER, (str(address),))]


def _network(address: ipaddress.IPv6Address, prefix: int) -> str:
    return str(ipaddress.ip_network((int(address), prefix), strict=False))
