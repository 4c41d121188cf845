"""Random numbers as a pure function of a seed and a name: the same everywhere, in any order, at any time."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from itertools import chain, count

DRAWS = 32
RANGE = 1 << 16
_MASK = (1 << 64) - 1

_unpack = struct.Struct(f"<{DRAWS}H").unpack


def digest(name: str) -> bytes:
    """64 bytes that stand for ``name``."""
    return hashlib.blake2b(name.encode()).digest()


def draws(name: str) -> tuple[int, ...]:
    """32 independent numbers from 0 to 65,535 for ``name``."""
    return _unpack(hashlib.blake2b(name.encode()).digest())


def stream(name: str) -> Iterator[int]:
    """As many independent numbers from 0 to 65,535 for ``name`` as are taken."""
    return chain.from_iterable(map(draws, map(f"{name}/{{}}".format, count())))


def seed_number(seed: str) -> int:
    """64 bits that stand for a seed, for :func:`mixed`."""
    return int.from_bytes(digest(seed)[:8], "little")


def mixed(number: int) -> int:
    """64 bits that look independent of those of any other number (the finalizer of splitmix64)."""
    number &= _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


def pick(draw: int, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included, for a draw."""
    return low + draw * (high - low + 1) // RANGE


def chance(draw: int, probability: float) -> bool:
    """Whether an event of this probability happens, for a draw."""
    return draw < probability * RANGE
