"""Writes a private file whole or not at all, whoever reads it meanwhile and whenever the machine stops."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

DRAFT_SUFFIX = ".part"
"""Ends the name of a file that is not whole yet; one that a killed process left may be deleted."""


def write(path: Path, content: str | bytes) -> None:
    """Make ``path`` hold ``content``, readable by its owner alone; an ``OSError`` leaves what was there."""
    with draft_of(path) as draft:
        draft.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """An empty private file beside ``path``, whose place it takes when the block ends well; else it goes."""
    draft = path.with_name(f".{path.name}.{os.getpid()}{DRAFT_SUFFIX}")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield draft
        _sync(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Return when the disk has the file: a name that points to nothing would be worse than the old file."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
