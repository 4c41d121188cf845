"""The deals that are left out because their rows can't be read: counted, named, and in no view.

A row is noted by whoever meets it: the cache when it is made, or a page. From then on the database is asked
without it, so that pages, totals and cursors agree. What was mended in the table comes back by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Row

from keepa_deals.db import soundness
from keepa_deals.db.soundness import MAX_EXAMPLES, Unreadable
from keepa_deals.query.rows import DealRow

log = logging.getLogger(__name__)

Key = tuple[Any, Any]
"""Domain and ASIN as the table has them, whatever they are."""
TTL_SECONDS = 600.0
"""A row that nobody met for so long is looked at again."""
MAX_NOTED = 2000
"""Rows that are noted; each is a condition of a query. Of more, pages leave out what they meet."""


class LeftOut:
    """The unreadable rows that this process has met lately."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._met: dict[Key, tuple[str, float]] = {}

    def note(self, met: Mapping[Key, str]) -> None:
        """Leave these rows out from now on; in words what is wrong with each."""
        now = self._monotonic()
        with self._lock:
            new = [words for key, words in met.items() if key not in self._met]
            for key, words in met.items():
                if key in self._met or len(self._met) < MAX_NOTED:
                    self._met[key] = words, now
        if new:
            more = f"; and {len(new) - MAX_EXAMPLES} more" if len(new) > MAX_EXAMPLES else ""
            told = "; ".join(new[:MAX_EXAMPLES])
            log.warning("%d deals can't be read and are left out: %s%s", len(new), told, more)

    def noted(self) -> tuple[Key, ...]:
        """The rows to leave out."""
        if not self._met:
            return ()
        now = self._monotonic()
        with self._lock:
            self._met = {k: (words, at) for k, (words, at) in self._met.items() if now - at <= TTL_SECONDS}
            return tuple(self._met)

    def readable(self, rows: Sequence[Row[Any]]) -> list[DealRow]:
        """Those of these rows of ``deals`` that can be read; the others are noted."""
        sound: list[DealRow] = []
        met: dict[Key, str] = {}
        for row in rows:
            values = cast("Mapping[str, Any]", row._mapping)
            if (problem := soundness.fault(values)) is None:
                sound.append(DealRow._make(row))
            else:
                met[values["domain_id"], values["asin"]] = soundness.words(values, problem)
        if met:
            self.note(met)
        return sound

    def report(self) -> Unreadable:
        """How many there are, and the first of them."""
        keys = self.noted()
        with self._lock:
            words = [self._met[key][0] for key in keys[:MAX_EXAMPLES] if key in self._met]
        return Unreadable(len(keys), tuple(words))
