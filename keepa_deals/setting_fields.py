"""How a setting is declared: with its words for people, and its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def setting(
    default: Any, meaning: str, allowed: str = "", *, ge: float | None = None, le: float | None = None
) -> Any:
    """A setting with its words for people, which docs/reference.md lists. Bounds need none in ``allowed``."""
    return Field(default, description=meaning, json_schema_extra={"allowed": allowed}, ge=ge, le=le)


def as_path(value: Path) -> Path:
    """Absolute, from the project's root, also where no such file is."""
    try:
        return (PROJECT_ROOT / value.expanduser()).resolve()
    except (RuntimeError, OSError, ValueError):  # ~nobody-here, a link to itself, a NUL
        raise ValueError("must be a path on this machine") from None
