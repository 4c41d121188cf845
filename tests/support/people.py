"""People for tests, whose passwords cost nothing to hash."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from keepa_deals.people import passwords


def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash as always, with the least memory and time that Argon2 knows."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
