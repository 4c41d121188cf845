"""One error for each way in which a call of Keepa can fail. No text, argument or cause holds the key."""

from __future__ import annotations

from keepa_deals.errors import KeepaDealsError
from keepa_deals.keepa.types import TokenEnvelope


class KeepaError(KeepaDealsError):
    """A call of Keepa failed.

    ``envelope`` is the account's state where the answer carried one; ``status`` the HTTP status where
    there was an answer. ``maybe_charged`` is true when the call may have cost tokens that no answer told.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        envelope: TokenEnvelope | None = None,
        maybe_charged: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.envelope = envelope
        self.maybe_charged = maybe_charged


class RequestRejectedError(KeepaError):
    """400, 404, 405: the request is wrong, and sending it again will not help."""


class KeyRefusedError(KeepaError):
    """402: Keepa does not know the key, or the subscription behind it is not paid."""


class OutOfTokensError(KeepaError):
    """429: the bucket is empty; nothing was charged. ``retry_after`` is in seconds."""

    def __init__(
        self, message: str, *, status: int, envelope: TokenEnvelope | None, retry_after: float
    ) -> None:
        super().__init__(message, status=status, envelope=envelope)
        self.retry_after = retry_after


class ServerTroubleError(KeepaError):
    """5xx, time-out, no connection, a truncated or unreadable answer: trying again may help."""
