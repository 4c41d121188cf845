"""Random numbers as a pure function of a seed and a name: the same everywhere, in any order, at any time."""

from __future__ import annotations

import hashlib
import struct

DRAWS = 32
RANGE = 1 << 16

_unpack = struct.Struct(f"<{DRAWS}H").unpack


def digest(name: str) -> bytes:
    """64 bytes that stand for ``name``."""
    return hashlib.blake2b(name.encode()).digest()


def draws(name: str) -> tuple[int, ...]:
    """32 independent numbers from 0 to 65,535 for ``name``."""
    return _unpack(hashlib.blake2b(name.encode()).digest())


def pick(draw: int, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included, for a draw."""
    return low + draw * (high - low + 1) // RANGE


def chance(draw: int, probability: float) -> bool:
    """Whether an event of this probability happens, for a draw."""
    return draw < probability * RANGE
