"""Faults on demand: what a real network and a real server do to an answer now and then."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """What may happen to an answer."""

    ERROR_IN_200 = "200"
    """200 with an ``error`` and without what was asked for; nothing is charged (recorded)."""
    KEY_REFUSED = "400"
    """As for a key that Keepa does not know: ``invalidParameter``, and every token field is 0 (recorded)."""
    LAPSED = "402"
    """As for a subscription that has run out."""
    TOO_MANY = "429"
    """What a proxy in front of Keepa says to one that asks too often: HTML, with ``Retry-After``."""
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    TIMEOUT = "timeout"
    """No answer for two minutes; the call is charged all the same."""
    TRUNCATED = "truncated"
    """The connection breaks in the middle of the body; the call is charged."""
    GARBAGE = "garbage"
    """200 with something that is no JSON; the call is charged."""
    SLOW = "slow"
    """The right answer, three seconds late."""


class Faults:
    """Draws a fault for each request by the given probabilities; safe to use from many threads."""

    def __init__(self, probabilities: Mapping[Fault, float] | None = None, *, seed: str = "keepa") -> None:
        self._random = random.Random(seed)  # noqa: S311  # reproducible, not secret
        self._lock = threading.Lock()
        self._probabilities: dict[Fault, float] = {}
        self.set(probabilities or {})

    @property
    def probabilities(self) -> dict[Fault, float]:
        """What is in force."""
        with self._lock:
            return dict(self._probabilities)

    def set(self, probabilities: Mapping[Fault, float]) -> None:
        """Replace the probabilities; they are shares of all requests, so they sum up to at most 1."""
        if any(p < 0 for p in probabilities.values()) or sum(probabilities.values()) > 1 + 1e-9:
            raise ValueError(
                f"the probabilities of faults must be at least 0 and sum up to at most 1: {probabilities}"
            )
        with self._lock:
            self._probabilities = dict(probabilities)

    def draw(self) -> Fault | None:
        """The fault of the next request; mostly none."""
        with self._lock:
            number = self._random.random()
            for fault, probability in self._probabilities.items():
                number -= probability
                if number < 0:
                    return fault
        return None


def parse_fault(text: str) -> tuple[Fault, float]:
    """``CODE=PROBABILITY`` as on the command line; a ``ValueError`` says what is allowed."""
    name, _, number = text.partition("=")
    try:
        probability = float(number)
    except ValueError:
        probability = -1.0
    if name not in list(Fault) or not 0 <= probability <= 1:
        codes = ", ".join(Fault)
        raise ValueError(
            f"{text!r}: must be CODE=PROBABILITY with CODE one of {codes} and 0 ≤ PROBABILITY ≤ 1"
        )
    return Fault(name), probability
