"""A fact: one line of the report, with ok, warn, fail or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One fact."""

    section: str
    level: Level
    text: str


def warn_if(condition: object) -> Level:
    """``warn`` where something is not as it should be, else ``ok``."""
    return Level.WARN if condition else Level.OK
