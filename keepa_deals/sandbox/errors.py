"""A request that Keepa, or this sandbox of it, does not accept."""

from __future__ import annotations


class BadRequest(Exception):  # noqa: N818  # the name of HTTP's own term
    """400: ``details`` says which part is wrong and what would be right."""

    def __init__(self, details: str) -> None:
        super().__init__(details)
        self.details = details
