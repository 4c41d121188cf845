"""How far the crawl of the backfiller has come: ``job_states.cursor`` of its job, which nobody else opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CrawlState:
    """The crawl of the feed of one ``selection`` (its fingerprint): complete, or at ``next_page``."""

    selection: str
    next_page: int = 0
    is_complete: bool = False

    def to_json(self) -> dict[str, Any]:
        if self.is_complete:
            return {"walked": self.selection}
        return {"walking": self.selection, "page": self.next_page}


def crawl_of(cursor: object) -> CrawlState | None:
    """The crawl in the backfiller's cursor; ``None`` before the first, or when it cannot be read."""
    if not isinstance(cursor, Mapping):
        return None
    if "walked" in cursor:
        return CrawlState(str(cursor["walked"]), is_complete=True)
    if "walking" not in cursor:
        return None
    page = cursor.get("page", 0)
    return CrawlState(str(cursor["walking"]), page if isinstance(page, int) else 0)
