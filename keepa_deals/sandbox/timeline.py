"""How a product's values move: in every cycle one deal, with reprices, and sometimes out of stock.

A cycle has 16 slots; the deal takes 2 to 9 of them. Each cycle of six is drawn from its own name, so
that a product's state at any minute can be told without what came before.
"""

from __future__ import annotations

from typing import NamedTuple

from keepa_deals.sandbox.draws import chance, draws, pick
from keepa_deals.sandbox.facts import CYCLES, SLOTS_PER_CYCLE, Facts, Family
from keepa_deals.sandbox.series import NO_OFFER, Series

SHORTEST, LONGEST = 2, 9
"""Slots that a deal lasts, out of 16."""
MEAN_SHARE = (SHORTEST + LONGEST) / 2 / SLOTS_PER_CYCLE
DEPTH = {Family.NEW: (26, 62), Family.USED: (26, 62), Family.RANK: (82, 96)}
"""By how many percent a value falls."""
REPRICE_SHARE = 0.25
MID_GAP_SHARE = 0.12
END_GAP_SHARE = 0.15
_FIRST_REPRICE = 8


class Phase(NamedTuple):
    """The deal of one cycle, in slots of the cycle: ``[start, end)``; no offer in ``[gap, gap_end)``."""

    start: int
    end: int
    gap: int
    gap_end: int


def phase_from(d: tuple[int, ...]) -> Phase:
    length = pick(d[0], SHORTEST, LONGEST)
    start = pick(d[1], 1, SLOTS_PER_CYCLE - length - 1)
    end = start + length
    if length >= 4 and chance(d[2], MID_GAP_SHARE):
        gap = pick(d[3], start + 1, end - 2)
        return Phase(start, end, gap, gap + 1)
    if chance(d[4], END_GAP_SHARE):
        gap_end = min(SLOTS_PER_CYCLE - 1, end + pick(d[5], 1, 3))
        return Phase(start, end - 1, end - 1, gap_end)
    return Phase(start, end, end, end)


def cycle_draws(seed: str, index: int, family: Family, cycle: int) -> tuple[int, ...]:
    """The numbers that decide a cycle; cycles repeat after six."""
    return draws(f"{seed}/{family:d}/{cycle % CYCLES}/{index}")


def cycle_values(d: tuple[int, ...], base: int, family: Family) -> list[int]:
    """The 16 values of one cycle."""
    phase = phase_from(d)
    ordinary = max(1, base * pick(d[6], 96, 104) // 100)
    values = [ordinary] * SLOTS_PER_CYCLE
    low, high = DEPTH[family]
    depth = pick(d[7], low, high)
    for slot in range(phase.start, phase.end):
        draw = d[_FIRST_REPRICE + slot]
        if slot > phase.start and chance(draw, REPRICE_SHARE):
            depth = min(high, max(low, depth + (draw & 15) - 8))
        values[slot] = max(1, ordinary * (100 - depth) // 100)
    if family is Family.RANK:
        for slot, value in enumerate(values):
            values[slot] = max(1, value * (85 + (d[_FIRST_REPRICE + slot] & 31)) // 100)
        return values
    for slot in range(phase.gap, phase.gap_end):
        values[slot] = NO_OFFER
    return values


def series_of(seed: str, facts: Facts, family: Family) -> Series:
    """The whole timeline of one family of a product; without an offer when it never has one."""
    base = facts.base(family)
    values: list[int] = []
    for cycle in range(CYCLES):
        if base < 0:
            values += [NO_OFFER] * SLOTS_PER_CYCLE
        else:
            values += cycle_values(cycle_draws(seed, facts.index, family, cycle), base, family)
    return Series(values, facts.slot, facts.anchor)


def locate(slot: int, anchor: int, minute: int) -> tuple[int, int]:
    """The number of the cycle in which ``minute`` lies, and the slot of it."""
    return divmod((minute - anchor) // slot, SLOTS_PER_CYCLE)
