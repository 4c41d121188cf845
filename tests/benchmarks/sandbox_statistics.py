"""The sandbox's feed beside the recorded one: how deals move, end and arrive.

    .venv/bin/python -m tests.benchmarks.sandbox_statistics [--seeds 5] [--deals 750]

The recorded side is three whole sweeps of one selection within four hours (``deal_sweeps_2025-09-16.csv``,
beside the checkout). The sandbox is read the same way: pages 61 s apart, sweeps at the same times.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from statistics import mean
from typing import Any

from keepa_deals.keepa.time import KEEPA_EPOCH_MINUTES, unix_ms
from keepa_deals.sandbox.account import Account
from keepa_deals.sandbox.behaviour import RECORDED, Behaviour
from keepa_deals.sandbox.catalogue.catalogue import Catalogue
from keepa_deals.sandbox.core import Sandbox
from tests.support.paths import SAMPLES

RECORDING = SAMPLES / "deal_sweeps_2025-09-16.csv"
SWEEPS_AT = (0.0, 1.045, 4.059)
"""Hours at which the recorded sweeps began."""
PAGE_SECONDS = 61
PAGE = 150


@dataclass(frozen=True)
class Entry:
    """A deal as a sweep showed it; ``changed`` and ``read_at`` in Keepa minutes."""

    asin: str
    changed: int
    price: int
    page: int
    read_at: float


Sweep = Sequence[Entry]


def recorded_sweeps(file: Path = RECORDING) -> list[Sweep]:
    """The three sweeps of the recording; a pause of more than ten minutes parts them."""
    sweeps: list[list[Entry]] = []
    last = 0.0
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            read_at = int(row["sweep_ms"]) / 60_000 - KEEPA_EPOCH_MINUTES
            if not sweeps or read_at - last > 10:
                sweeps.append([])
            last = read_at
            price, page = int(row["used_now"]), int(row["page"])
            sweeps[-1].append(Entry(row["asin"], int(row["creationDate"]), price, page, read_at))
    return list(sweeps)


class _Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def sandbox_sweeps(seed: str, *, deals: int = 760, behaviour: Behaviour = RECORDED) -> list[Sweep]:
    """Three sweeps of a sandbox with the shipped selection, sorted by percent as the recorded ones."""
    clock = _Clock()
    catalogue = Catalogue.for_deals(deals, seed=seed, behaviour=behaviour)
    sandbox = Sandbox(Account(clock=clock), catalogue, clock=clock)
    selection = json.loads((resources.files("keepa_deals") / "deal_selection.json").read_text())
    began = clock.now()
    sweeps = []
    for hours in SWEEPS_AT:
        clock.moment = began + timedelta(hours=hours)
        sweeps.append(list(_sweep(sandbox, clock, {**selection, "sortType": 4})))
    return sweeps


def _sweep(sandbox: Sandbox, clock: _Clock, selection: Mapping[str, Any]) -> Iterable[Entry]:
    for page in range(100):
        entries = sandbox.deal({**selection, "page": page})[0]["deals"]["dr"]
        for entry in entries:
            price = entry["current"][selection["priceTypes"][0]]
            read_at = unix_ms(clock.now()) / 60_000 - KEEPA_EPOCH_MINUTES
            yield Entry(entry["asin"], entry["creationDate"], price, page, read_at)
        if len(entries) < PAGE:
            return
        clock.sleep(PAGE_SECONDS)


def statistics_of(sweeps: Sequence[Sweep]) -> dict[str, float]:
    """The figures of three sweeps, by name; shares from 0 to 1."""
    first, second, third = sweeps
    after_1, after_3, after_4 = _compared(first, second), _compared(second, third), _compared(first, third)
    return {
        "deals in a sweep": mean(len(sweep) for sweep in sweeps),
        "moved after 1 h": after_1["moved"],
        "moved after 3 h": after_3["moved"],
        "moved after 4 h": after_4["moved"],
        "moves that lead backwards": after_4["backwards"],
        "moves that end at the same price (4 h)": after_4["same"],
        "moves that end at a higher price (4 h)": after_4["dearer"],
        "gone an hour": mean((after_1["gone"], after_3["gone"])),
        "newcomers with an old date (1 h)": after_1["deep"],
        "newcomers with an old date (3 h)": after_3["deep"],
        "deals whose date another one has": mean(_tied(sweep) for sweep in sweeps),
        "deals younger than 3 h": mean(_younger(sweep, 180) for sweep in sweeps),
        "deals younger than a day": mean(_younger(sweep, 1440) for sweep in sweeps),
        "deals younger than three days": mean(_younger(sweep, 3 * 1440) for sweep in sweeps),
        "deals younger than a week": mean(_younger(sweep, 7 * 1440) for sweep in sweeps),
        "deals younger than two weeks": mean(_younger(sweep, 14 * 1440) for sweep in sweeps),
        "sweeps whose last page is short": mean(float(_last_page(sweep) < PAGE) for sweep in sweeps),
        "deals shown twice in a sweep": mean(len(s) - len({e.asin for e in s}) for s in sweeps),
        "dates at an odd minute": mean(float(e.changed % 2) for sweep in sweeps for e in sweep),
        "youngest deal in minutes": min(e.read_at - e.changed for sweep in sweeps for e in sweep),
    }


def _compared(before: Sweep, after: Sweep) -> dict[str, float]:
    old, new = {e.asin: e for e in before}, {e.asin: e for e in after}
    both, arrived = old.keys() & new.keys(), new.keys() - old.keys()
    moved = [asin for asin in both if old[asin].changed != new[asin].changed]
    hours = (after[0].read_at - before[0].read_at) / 60
    return {
        "moved": len(moved) / len(both),
        "backwards": sum(new[a].changed < old[a].changed for a in both) / len(both),
        "same": sum(new[a].price == old[a].price for a in moved) / len(moved),
        "dearer": sum(new[a].price > old[a].price for a in moved) / len(moved),
        "gone": (1 - len(both) / len(old)) / hours,
        "deep": sum(new[a].changed < before[0].read_at for a in arrived) / len(arrived),
    }


def _tied(sweep: Sweep) -> float:
    dates = Counter({e.asin: e.changed for e in sweep}.values())
    return sum(n for n in dates.values() if n > 1) / dates.total()


def _younger(sweep: Sweep, minutes: int) -> float:
    return mean(float(e.read_at - e.changed < minutes) for e in sweep)


def _last_page(sweep: Sweep) -> int:
    return sum(e.page == sweep[-1].page for e in sweep)


def table(recorded: Mapping[str, float] | None, seeds: Sequence[Mapping[str, float]]) -> str:
    """The figures side by side, in Markdown: the sandbox's mean, and the range of its seeds."""
    lines = ["| | recorded | sandbox | its seeds |", "| --- | ---: | ---: | ---: |"]
    for name in seeds[0]:
        values = [figures[name] for figures in seeds]
        known = _text(name, recorded[name]) if recorded else "-"
        spread = f"{_text(name, min(values))} to {_text(name, max(values))}"
        lines.append(f"| {name} | {known} | {_text(name, mean(values))} | {spread} |")
    return "\n".join(lines)


def _text(name: str, value: float) -> str:
    return f"{value:.1f}" if name.endswith(("sweep", "minutes")) else f"{value:.1%}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--deals", type=int, default=760)
    options = arguments.parse_args()
    recorded = statistics_of(recorded_sweeps()) if RECORDING.is_file() else None
    seeds = [f"statistics {number}" for number in range(options.seeds)]
    print(table(recorded, [statistics_of(sandbox_sweeps(seed, deals=options.deals)) for seed in seeds]))


if __name__ == "__main__":
    main()
