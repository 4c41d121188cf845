"""Whose an address is: what one reader owns counts as one."""

from __future__ import annotations

import ipaddress

UNKNOWN = "unknown"


def reader_networks(remote: str | None) -> tuple[str, ...]:
    """What the reader at this address owns, the smallest network first.

    An IPv4 address stands for itself. Of IPv6 a reader has a /64, and a site a /48, which any tunnel broker
    gives away: 65,536 networks of one stranger's. What is no address is ``UNKNOWN``.
    """
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return (UNKNOWN,)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return tuple(str(ipaddress.ip_network((int(address), size), strict=False)) for size in (64, 48))
        address = address.ipv4_mapped  # else all of IPv4 were one network
    return (str(address),)
