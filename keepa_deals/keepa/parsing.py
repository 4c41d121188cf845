"""The body of an answer as JSON, within bounds of memory and depth; one odd value costs itself only."""

from __future__ import annotations

import json
import re

MAX_MEMORY = 160 * 1024 * 1024
"""Bytes that reading an answer may take: a worker stays below 300 MB."""
MAX_DIGITS = 24
"""Digits of a number that is read: 64 bits have 20. Python refuses 4,300, and with them the whole text."""
_FOUR_BYTES = re.compile(rb"[\xf0-\xff]")
_MORE_THAN_LATIN = re.compile(rb"[\xc4-\xff]")


class TooLargeError(ValueError):
    """Reading it would take more memory than it may. ``megabytes`` is the estimate."""

    def __init__(self, megabytes: int) -> None:
        super().__init__(f"about {megabytes} MB of memory")
        self.megabytes = megabytes


def parse(body: bytes) -> object:
    """The value; ``ValueError`` when it is no JSON or nested too deeply, ``TooLargeError`` before it is read.

    A byte that is no UTF-8 becomes U+FFFD, a number of absurd length ``None``.
    """
    needed = memory_needed(body)
    if needed > MAX_MEMORY:
        raise TooLargeError(needed >> 20)
    text = body.decode("utf-8-sig", errors="replace")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(text, parse_int=_short_number)


def memory_needed(body: bytes) -> int:
    """Bytes that the text and its values take at most, about: objects, lists, numbers and strings."""
    if body.isascii():
        width = 1
    elif _FOUR_BYTES.search(body):
        width = 4  # one such letter makes the whole text as wide
    else:
        width = 2 if _MORE_THAN_LATIN.search(body) else 1
    values = 240 * body.count(b"{") + 90 * body.count(b"[") + 41 * body.count(b",") + 30 * body.count(b'"')
    return len(body) * (1 + 2 * width) + values


def _short_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= MAX_DIGITS else None
