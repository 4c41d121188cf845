"""Which part of the tokens each search may count on. Pure.

Weighted max-min: no search gets less than the part that its weight gives it, unless it needs less; what it
does not need is the others'. So nobody starves, and where the tokens suffice everybody has what it needs, and
a part of the rest, for looks at what is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOVED = 0.1
"""A share that has moved by more than this part of itself is worth another plan."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A search's ``weight``, and the part of all tokens that it needs; ``None``: nobody knows yet."""

    weight: int
    needed: float | None


def share_out(claims: Sequence[Claim]) -> list[float]:
    """The part of each claim, in their order; together 1."""
    if len(claims) == 1:
        return [1.0]
    shares = [0.0] * len(claims)
    left, waiting = 1.0, set(range(len(claims)))
    while waiting:
        each = left / sum(claims[i].weight for i in waiting)
        content = {i for i in waiting if _needs(claims[i]) <= each * claims[i].weight}
        if not content:
            for i in waiting:
                shares[i] = each * claims[i].weight
            return shares
        for i in content:
            shares[i] = _needs(claims[i])
            left -= shares[i]
        waiting -= content
    weights = sum(claim.weight for claim in claims)
    return [
        share + max(0.0, left) * claim.weight / weights for share, claim in zip(shares, claims, strict=True)
    ]


def _needs(claim: Claim) -> float:
    return float("inf") if claim.needed is None else claim.needed


def has_moved(planned: float, share: float) -> bool:
    """Whether a plan that was made for another share is to be made anew."""
    return abs(share - planned) > MOVED * planned
