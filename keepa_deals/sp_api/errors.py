"""What may go wrong with a call of the Selling Partner API. None of them carries a secret."""

from __future__ import annotations

from keepa_deals.errors import KeepaDealsError


class SpApiError(KeepaDealsError):
    """Base of them; the text is one line for people."""


class CredentialsRefusedError(SpApiError):
    """Amazon takes the credentials for none, or they may not do this: only the seller can mend it."""


class AccessExpiredError(SpApiError):
    """The access token was not taken. It is forgotten: the next call logs in anew."""


class ThrottledError(SpApiError):
    """More calls than the usage plan allows (429)."""


class QuestionRefusedError(SpApiError):
    """Amazon does not understand what was asked, or knows no such thing: asked again it says the same."""


class UnreadableAnswerError(SpApiError):
    """An answer that is none of those that are documented: it costs the product that it is about."""


class TroubleError(SpApiError):
    """No answer that can be read, for now."""
