"""Files that an address names."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The project's folder: the same file is meant from whatever folder a program was started in."""


def as_file(text: str) -> Path:
    """An absolute path; a ``ValueError`` for the folder of a user whom this machine does not know."""
    try:
        return ROOT / Path(text).expanduser()
    except RuntimeError:
        raise ValueError("must name a file on this machine: ~ leads to no user's folder here") from None
