"""Texts of a block of deals: their order as numbers, and words that are found without reading every title."""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np

from keepa_deals.query.encoding import NULL, Array

MAX_WORDS = 64
"""Answers to the words looked for last, a bit a deal each."""


_END = "\x00"
"""Stands between two texts."""


class _Packed(Sequence[bytes]):
    """Many texts in one piece of memory."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._all = b"".join(texts)
        self._ends = np.cumsum([0, *map(len, texts)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> bytes:  # type: ignore[override]  # nobody slices it
        return self._all[self._ends[number] : self._ends[number + 1]]


class Texts:
    """A column of texts: ``codes`` has the number of each row's text in their order, or ``NULL``.

    The order is that of code points, as it is on SQLite and on PostgreSQL in the C locale.
    """

    def __init__(self, texts: Iterable[str | None]) -> None:
        raw = [None if text is None else text.encode("utf-8", "replace") for text in texts]
        ordered = sorted({text for text in raw if text is not None})
        numbers: dict[bytes | None, int] = {text: number for number, text in enumerate(ordered)}
        numbers[None] = NULL
        self.codes: Array = np.array([numbers[text] for text in raw], np.int32)
        self._texts = _Packed(ordered)

    def first_from(self, text: str) -> int:
        """The number of the first text that is not before ``text``."""
        return bisect_left(self._texts, text.encode("utf-8", "replace"))

    def last_to(self, text: str) -> int:
        """The number of the last text that is not after ``text``; -1 when there is none."""
        return bisect_right(self._texts, text.encode("utf-8", "replace")) - 1

    def code_of(self, text: str) -> int | None:
        """The number of exactly this text; ``None`` when no row has it."""
        number = self.first_from(text)
        return number if number == self.last_to(text) else None

    def at(self, number: int) -> str:
        return self._texts[number].decode()

    @property
    def limits(self) -> tuple[str, str] | None:
        """The first and the last text; ``None`` when there is none."""
        return (self.at(0), self.at(len(self._texts) - 1)) if self._texts else None


class Words:
    """Which of a block's rows have a text that holds a word, in whatever case."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._size = len(texts)
        self._find = functools.lru_cache(MAX_WORDS)(_Pieces(texts).find)

    def find(self, word: str) -> Array:
        """A mask of the rows that hold ``word``."""
        return np.unpackbits(self._find(word.lower()), count=self._size).view(bool)


class _Pieces:
    """The different pieces that spaces cut the texts into, and the rows that have each.

    A word has no space in it, so it lies within a piece; each is searched once, however many rows have it.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        pieces = f" {_END} ".join(text.replace(_END, " ") for text in texts).lower().split()
        numbers = {_END: 0}
        of_piece = np.array([numbers.setdefault(piece, len(numbers)) for piece in pieces], np.int32)
        rows = np.cumsum(of_piece == 0, dtype=np.int32)
        self._size = len(texts)
        self._rows = rows[np.argsort(of_piece, kind="stable")]
        self._counts = np.bincount(of_piece, minlength=len(numbers))
        self._ends = np.cumsum(self._counts)
        encoded = [b"\n" + piece.encode("utf-8", "replace") for piece in numbers]
        self._pieces = np.frombuffer(b"".join(encoded), np.uint8)
        self._starts = np.cumsum([0, *map(len, encoded)])[:-1]

    def find(self, word: str) -> Array:
        """The rows that hold ``word``, given in lower case: a bit a row."""
        rows = np.zeros(self._size, bool)
        pieces = self._pieces_with(np.frombuffer(word.encode("utf-8", "replace"), np.uint8))
        if pieces.size * 8 > self._counts.size:
            chosen = np.zeros(self._counts.size, bool)
            chosen[pieces] = True
            rows[self._rows[np.flatnonzero(np.repeat(chosen, self._counts))]] = True
        elif pieces.size:
            counts = self._counts[pieces]
            ends = np.cumsum(counts)
            rows[self._rows[np.repeat(self._ends[pieces] - ends, counts) + np.arange(ends[-1])]] = True
        return np.packbits(rows)

    def _pieces_with(self, word: Array) -> Array:
        """The numbers of the pieces that hold these bytes, each perhaps more than once."""
        last = self._pieces.size - word.size + 1
        if last <= 0 or not word.size:
            return np.zeros(0, np.int64)
        matches = self._pieces[:last] == word[0]
        for offset in range(1, word.size):
            matches &= self._pieces[offset : last + offset] == word[offset]
        hits = np.flatnonzero(matches)
        if hits.size * 8 < self._starts.size:
            return np.searchsorted(self._starts, hits, side="right") - 1
        starts = self._starts[self._starts < last]
        return np.flatnonzero(np.logical_or.reduceat(matches, starts))
