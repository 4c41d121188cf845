"""What people and their tokens may do."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person may do; each role may do what the ones before it may."""

    READER = "reader"
    """Browse; own marks, views and alerts."""
    OPERATOR = "operator"
    """Run and pause jobs, change searches."""
    ADMIN = "admin"
    """People, and the channels of the house."""

    def may(self, needed: Role) -> bool:
        """Whether this role suffices where ``needed`` is wanted."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


class Scope(StrEnum):
    """What a token may do in its person's name."""

    READ = "read"
    WRITE = "write"
