"""How the sandbox's Keepa behaves: each habit a number, with the recorded one as its default.

"Recorded" is what 48 whole ``/deal`` answers and 104 account envelopes of September 2025 show (seven
sweeps of one selection of used books). What nobody has recorded is said to be assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Shares lie between 0 and 1; a ``ValueError`` names the one that does not."""

    repriced: float = 0.066
    """Share of the deals whose price, and so ``creationDate``, changes in an hour (recorded: 45 of 737,
    and 130 of 697 in three: this is a little more, as a move may lead out of the list)."""
    gone: float = 0.025
    """Share of the deals that Keepa no longer lists an hour later (recorded: 2.0 to 3.0 %)."""
    deep: float = 0.15
    """Share of the newcomers with an old date, for no reason that ``/product`` tells (recorded: 13
    to 23 % in all; here siblings shown in turn and ranks that come into range add to it)."""
    lag_minutes: float = 3.0
    """The most minutes from a change's date to its showing in the feed (recorded: 0 to 3)."""
    siblings_every: int = 250
    """Every so many products is a family of three variations, of which ``singleVariation`` shows one by
    chance with each query; 0: none. Documented; how often the choice changes, nobody has recorded. The share
    is assumed: of 753 recorded deals one was missing in the second of three sweeps alone, as two of nine
    families would be, so that there were five at the likeliest; but a deal may come and go for less."""
    disorder: float = 0.0
    """Share of the deals that stand anywhere in a feed by age (none: no ``sortType`` 1 was recorded)."""
    cached: float = 0.0
    """Share of ``/deal`` answers up to two minutes old, with ``dealsCached`` (recorded: 0)."""
    null_titles: float = 0.002
    """Share of the products whose title Keepa does not know. Reported; the share is assumed: one in a list
    of 500 (recorded: none in 142 whole entries)."""
    refresh_seconds: float = 10.0
    """Seconds, of a tick of 60, that ``/product`` takes to look at Amazon again, unless ``update=-1``
    forbids it. Recorded: 10 to 53 with ``offers``; without, where less is to be read, the least of them is
    assumed."""

    def __post_init__(self) -> None:
        for name in ("repriced", "gone", "deep", "disorder", "cached", "null_titles"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be a share from 0 to 1")
        if self.repriced > 0.9:
            raise ValueError(
                f"repriced {self.repriced}: at most 0.9 of the deals can be repriced within an hour"
            )
        if not 0.001 <= self.gone <= 0.5:
            raise ValueError(f"gone {self.gone}: must be a share from 0.001 to 0.5")
        if self.deep > 0.9:
            raise ValueError(f"deep {self.deep}: must be at most 0.9")
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} {getattr(self, field.name)}: must not be negative")
        if self.lag_minutes > 60:
            raise ValueError(f"lag_minutes {self.lag_minutes}: must be at most 60")


RECORDED = Behaviour()
