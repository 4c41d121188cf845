"""Moments and lengths of time in the words of terminals, logs and reports; pages write by ``formats``."""

from __future__ import annotations

from datetime import datetime


def age_text(moment: datetime | None, now: datetime) -> str:
    """``12 s ago``, ``5 min ago``, ``3 h ago``, ``2 d ago``, ``never``, ``in 12 s`` for the future."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    text = duration_text(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def duration_text(seconds: float) -> str:
    """A length of time in its largest fitting unit, rounded down."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as every endpoint writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
