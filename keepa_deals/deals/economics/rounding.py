"""Shares of whole amounts. Money is in the currency's smallest unit, shares are in basis points."""

from __future__ import annotations

WHOLE = 10_000
"""Basis points of the whole."""


def half_up(numerator: int, denominator: int) -> int:
    """The nearest whole number to a fraction; halves away from zero. The denominator is positive."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def share(amount: int, basis_points: int) -> int:
    """A share of an amount, to the nearest unit."""
    return half_up(amount * basis_points, WHOLE)
