"""A request that Keepa, or this sandbox of it, does not accept."""

from __future__ import annotations


class BadRequest(Exception):  # noqa: N818  # the name of HTTP's own term
    """``details`` says what is wrong and what would be right; ``status`` is how Keepa answers it."""

    def __init__(self, details: str, *, status: int = 400) -> None:
        super().__init__(details)
        self.details = details
        self.status = status
