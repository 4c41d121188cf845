"""What is asked of the bucket, and the form in which its script reads it."""

from __future__ import annotations

import itertools
import os
import uuid
from typing import NamedTuple

from keepa_deals.tokens.policy import Lane, Policy

_PREFIX = uuid.uuid4().hex
_NUMBERS = itertools.count()


class TokenRequest(NamedTuple):
    """``price`` tokens for the call, or, where the request ``learns``, for each of its items."""

    id: str
    lane: Lane
    price: int
    kind: str
    max_items: int
    min_items: int
    learns: bool
    task: str

    @classmethod
    def for_call(
        cls, policy: Policy, cost: int, *, kind: str | None = None, items: int = 1, task: str | None = None
    ) -> TokenRequest:
        """For exactly ``cost`` tokens, for a call of ``items`` items."""
        _check_tokens("cost", cost)
        if items < 1:
            raise ValueError(f"items={items}: at least 1")
        lane = policy.lane_of(cost, task)
        return cls(_new_id(), lane, cost, kind or "", items, items, learns=False, task=task or "")

    @classmethod
    def for_batch(
        cls,
        kind: str,
        *,
        max_items: int,
        min_items: int = 1,
        price_hint: int = 1,
        task: str | None = None,
    ) -> TokenRequest:
        """In the bulk lane, for as many items as the tokens allow at their learned price."""
        if not 1 <= min_items <= max_items:
            raise ValueError(f"min_items={min_items}, max_items={max_items}: 1 ≤ min_items ≤ max_items")
        _check_tokens("price_hint", price_hint)
        return cls(_new_id(), Lane.BULK, price_hint, kind, max_items, min_items, learns=True, task=task or "")

    def packed(self, patience: str) -> str:
        """The request as ``tokens_acquire.lua`` reads it; ``patience`` is ``queue`` or ``try``."""
        mode = "learn" if self.learns else "exact"
        items = f"{self.min_items}|{self.max_items}"
        return f"{self.id}|{self.lane}|{mode}|{self.price}|{items}|{patience}|{self.kind}"

    def __str__(self) -> str:
        tokens = self.price * self.min_items if self.learns else self.price
        what = f"{self.kind or 'a call'} of {tokens} tokens"
        return f"{self.task}: {what}" if self.task else what


def _new_id() -> str:
    """A name for a request that no process shares: a fork goes on with the same prefix and count."""
    return f"{_PREFIX}:{os.getpid()}:{next(_NUMBERS)}"


def _check_tokens(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r}: tokens are whole numbers from 1 on")
