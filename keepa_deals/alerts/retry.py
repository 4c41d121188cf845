"""When a message is tried again, and how long a channel that fails is left alone. Pure."""

from __future__ import annotations

import random
from datetime import timedelta

FIRST_PAUSE = timedelta(seconds=5)
MAX_PAUSE = timedelta(minutes=30)
FAILURES_IN_A_ROW = 5
"""After so many a channel rests: its messages wait together."""
FIRST_REST = timedelta(minutes=1)
MAX_REST = timedelta(hours=1)


def pause(attempts: int, asked: float | None, source: random.Random | None = None) -> timedelta:
    """The time to the next attempt after so many: doubled each time, up to a half more by chance.

    Never less than what the channel asked for, in seconds.
    """
    doubled = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), MAX_PAUSE)
    chance = (source or random).uniform(1.0, 1.5)
    own: timedelta = doubled * chance
    return own if asked is None else max(own, timedelta(seconds=asked))


def rest(failures: int, asked: float | None) -> timedelta | None:
    """How long a channel is left alone after so many failures in a row; what it asked for always counts."""
    wanted = None if asked is None else timedelta(seconds=asked)
    if failures < FAILURES_IN_A_ROW:
        return wanted
    own: timedelta = min(FIRST_REST * 2 ** min(failures - FAILURES_IN_A_ROW, 20), MAX_REST)
    return own if wanted is None else max(own, wanted)
