"""A reader's marks, and what they hide. The column cache and the database mean the same by them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

Key = tuple[int, str]
"""Marketplace and ASIN."""

NOBODY_NAMED = 0
"""The book of the unnamed reader of a dashboard without people."""


class MarkKind(StrEnum):
    """What a reader can have done with a deal."""

    STARRED = "starred"
    HIDDEN = "hidden"
    BOUGHT = "bought"
    NOTED = "noted"


class HiddenBy(StrEnum):
    """Why a deal is out of sight."""

    DEAL = "deal"
    BRAND = "brand"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What was bought, each for ``price`` in the marketplace's smallest unit."""

    at: datetime
    price: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Hiding:
    """That a deal is out of sight: for good, or until it costs ``price`` or less."""

    at: datetime
    percent: int | None = None
    """How much cheaper than it was it has to be."""
    price: int | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """One reader's marks on one deal."""

    starred_at: datetime | None = None
    hiding: Hiding | None = None
    note: str | None = None
    bought: Purchase | None = None

    def __bool__(self) -> bool:
        return self != UNMARKED


UNMARKED = Mark()


@dataclass(frozen=True, eq=False, slots=True)
class Marks:
    """All of one reader's marks as far as views ask for them; one of these says what one revision said."""

    book: int
    starred: Collection[Key] = frozenset()
    bought: Collection[Key] = frozenset()
    noted: Collection[Key] = frozenset()
    hidden: Mapping[Key, int | None] = field(default_factory=lambda: MappingProxyType({}))
    """The price at which each is shown again; ``None``: never."""
    brands: Collection[str] = frozenset()
    categories: Collection[tuple[int, int]] = frozenset()
    """Marketplace and root category."""

    @property
    def hides_any(self) -> bool:
        return bool(self.hidden or self.brands or self.categories)

    @property
    def is_empty(self) -> bool:
        return not (self.hides_any or self.starred or self.bought or self.noted)

    def keys_of(self, kind: MarkKind) -> Collection[Key]:
        """The deals that have a mark of their own of this kind."""
        match kind:
            case MarkKind.STARRED:
                return self.starred
            case MarkKind.BOUGHT:
                return self.bought
            case MarkKind.NOTED:
                return self.noted
        return self.hidden

    def hidden_by(
        self, key: Key, price: int | None, brand: str | None, category: int | None
    ) -> HiddenBy | None:
        """Why a deal is out of sight; ``None`` when it is not."""
        if key in self.hidden:
            limit = self.hidden[key]
            if limit is None or price is None or price > limit:
                return HiddenBy.DEAL
        if brand is not None and brand in self.brands:
            return HiddenBy.BRAND
        if category is not None and (key[0], category) in self.categories:
            return HiddenBy.CATEGORY
        return None


NO_MARKS = Marks(NOBODY_NAMED)
