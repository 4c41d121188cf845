"""Every error that crosses a module boundary. None of them ever carries the Keepa key."""

from __future__ import annotations


class KeepaDealsError(Exception):
    """Base of the project's own errors."""


class SettingsError(KeepaDealsError):
    """A setting is missing or wrong; the text names it, its value and what is allowed."""


class BudgetError(KeepaDealsError):
    """No permission to spend tokens. ``retry_after`` is in seconds; ``None`` when nobody can tell."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TokensUnavailableError(BudgetError):
    """The tokens will not be there within the caller's timeout."""


class CostExceedsCapacityError(BudgetError):
    """The plan's bucket can never hold the cost: waiting would be for ever."""


class BalanceUnknownError(BudgetError):
    """The balance of the Keepa account could not be learned, so nothing is granted."""


class StoreUnavailableError(BudgetError):
    """Redis does not answer, so nothing is granted (the budget fails closed)."""


class LockLostError(KeepaDealsError):
    """The single-flight lock or the fence went to another owner; nothing may be written any more."""


class StoppedError(KeepaDealsError):
    """The process is asked to end: whoever waits gives up what it was waiting for."""
