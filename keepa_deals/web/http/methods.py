"""Which requests change nothing."""

from __future__ import annotations

READ_ONLY_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
