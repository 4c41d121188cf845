"""What can happen to a deal, and why one is over."""

from __future__ import annotations

from enum import StrEnum


class EndedReason(StrEnum):
    """Why Keepa says that a deal is over."""

    PRICE_RECOVERED = "price_recovered"
    OUT_OF_STOCK = "out_of_stock"
    NO_LONGER_MATCHES = "no_longer_matches"
    PRODUCT_GONE = "product_gone"
    NO_LONGER_LISTED = "no_longer_listed"
    """The feed has not shown it for two whole sweeps, though ``/product`` says that its price still holds."""
    MERGED = "merged"
    """Another variation of the same product stands for it: the deal goes on under that one."""
    SEARCH_REMOVED = "search_removed"
    """Somebody removed the only search that listed it."""


class DealEventKind(StrEnum):
    """A change of a deal's state."""

    FOUND = "found"
    PRESENT = "present"
    """In the feed before it was first read: no news, perhaps a variation of a deal that is here already."""
    STALE = "stale"
    LIVE_AGAIN = "live_again"
    ENDED = "ended"
    RETURNED = "returned"
