"""What can go wrong while operating; every text says what to do about it."""

from __future__ import annotations

from keepa_deals.errors import KeepaDealsError


class OpsError(KeepaDealsError):
    """An operation ended without success; the text is for the operator."""


class BusyError(OpsError):
    """Another operation on the same deployment is at work."""


class UnhealthyError(OpsError):
    """The service did not become healthy in time."""


class HalfWayError(OpsError):
    """An operation failed with programs stopped: the watchdog is left to start them."""


class LeftoverError(OpsError):
    """Processes of ours survived every signal."""
