"""Whether the seller may list a product in the condition that its deal is of."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class MaySell(IntEnum):
    """Amazon's answer, as the table holds it; what was not asked, or not answered, is null."""

    ALLOWED = 1
    APPROVAL = 2
    """Amazon wants to be asked for approval first."""
    REFUSED = 3

    @property
    def word(self) -> str:
        """As programs read it."""
        return self.name.lower()


SAID: Mapping[MaySell, str] = {
    MaySell.ALLOWED: "You may sell it",
    MaySell.APPROVAL: "Approval needed",
    MaySell.REFUSED: "You may not sell it",
}


def answer_of(value: int | None) -> MaySell | None:
    """What the table's value stands for; ``None`` for none, and for what is no answer."""
    return MaySell(value) if value in set(MaySell) else None


def word_of(value: int | None) -> str | None:
    """The same as programs read it."""
    answer = answer_of(value)
    return None if answer is None else answer.word
