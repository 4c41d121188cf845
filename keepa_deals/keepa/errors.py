"""One error for each way in which a call of Keepa can fail. No text, argument or cause holds the key."""

from __future__ import annotations

from typing import ClassVar

from keepa_deals.errors import KeepaDealsError
from keepa_deals.keepa.envelope import TokenEnvelope


class KeepaError(KeepaDealsError):
    """A call of Keepa failed.

    ``envelope`` is the account's state where the answer carried one that can be believed; ``status`` the HTTP
    status where there was an answer. ``maybe_charged`` is true when the call may have cost tokens that no
    answer told. ``retryable``: whether the same call, made again at once, may go well.
    """

    retryable: ClassVar[bool] = False

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
    """400, 404, 405, or a 200 with an ``error`` or without what was asked for: sending it again won't help.

    ``divisible``: one item among those that were asked for may be the reason (a malformed ASIN).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        envelope: TokenEnvelope | None = None,
        divisible: bool = False,
    ) -> None:
        super().__init__(message, status=status, envelope=envelope)
        self.divisible = divisible


class KeyRefusedError(KeepaError):
    """402: the subscription has lapsed. 400 with nothing but zeros: Keepa does not know the key.

    What such an answer says of the account is not true of it, so there is never an ``envelope``.
    """


class OutOfTokensError(KeepaError):
    """429: the bucket is empty; nothing was charged. ``retry_after`` is in seconds."""

    def __init__(
        self, message: str, *, status: int | None, envelope: TokenEnvelope | None, retry_after: float
    ) -> None:
        super().__init__(message, status=status, envelope=envelope)
        self.retry_after = retry_after


class ServerTroubleError(KeepaError):
    """5xx, no connection, a truncated answer, something between us and Keepa: trying again may help."""

    retryable = True


class TimedOutError(ServerTroubleError):
    """No answer in time: a smaller request may be answered sooner."""


class TooSlowError(TimedOutError):
    """An answer that trickles: its time in all is over, and another like it would take as long."""

    retryable = False


class UnreadableAnswerError(ServerTroubleError):
    """A 200 that is no answer of Keepa's: no JSON, or no account that can be believed."""


class MisshapenAnswerError(ServerTroubleError):
    """Keepa answered, and in a shape that this version does not know: the next answer will have it, too."""

    retryable = False


class AnswerTooLargeError(ServerTroubleError):
    """More than an answer of Keepa's ever holds; a smaller request may bring less."""

    retryable = False
