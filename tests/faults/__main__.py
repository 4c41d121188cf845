"""The long form of the fault suite: ``python -m tests.faults --rounds 5`` prints a table of every fault.

After the faults of a deployment all that it wrote and says is searched for parts of its secrets.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.bystanders import Neighbours, living_beside
from tests.faults.experiment import Round, Scenario, play
from tests.faults.grounds import running
from tests.faults.scenarios import SCENARIOS
from tests.support import secrets

HEADER = (
    "| fault | rounds | target | median | worst | whole | load | lost | doubled | strangers harmed |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> int:
    """Play what was asked for; the exit code is 0 when every target was met and nothing was harmed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is injected")
    parser.add_argument("--only", default="", help="just the faults whose name this expression finds")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    options = parser.parse_args()
    chosen = [s for s in SCENARIOS if re.search(options.only, s.name, re.IGNORECASE)]
    if options.list:
        print("\n".join(s.name for s in chosen))
        return 0
    lines, good = [], True
    with tempfile.TemporaryDirectory(prefix="keepa-deals-faults-") as name:
        folder = Path(name)
        with living_beside(folder / "neighbours") as neighbours:
            for ground in dict.fromkeys(s.ground for s in chosen):
                scenarios = [s for s in chosen if s.ground == ground]
                played, kept_secrets = _on(ground, scenarios, options.rounds, folder, neighbours)
                lines += [line for line, _ in played]
                good = good and kept_secrets and all(met for _, met in played)
    print("\n".join([HEADER, *lines]))
    return 0 if good else 1


def _on(
    ground: str, scenarios: Sequence[Scenario], rounds: int, folder: Path, neighbours: Neighbours
) -> tuple[list[tuple[str, bool]], bool]:
    """A line of the table for each scenario and whether it met its target; whether no secret was shown."""
    lines = []
    with running(ground, folder) as service:
        for scenario in scenarios:
            target = scenario.within(service)
            played = []
            for number in range(1, rounds + 1):
                result = play(scenario, service, neighbours)
                played.append(result)
                _tell(scenario, number, result)
                if result.error:
                    service.kill()
                    service.start()
            lines.append((_line(scenario, target, played), _met(target, played)))
        searched = secrets.search(service)
        print(f"{ground}: {searched}", file=sys.stderr)
    return lines, not searched.found


def _tell(scenario: Scenario, number: int, result: Round) -> None:
    seconds, whole = result.seconds, result.whole
    time_text = f"{seconds:.1f} s, whole after {whole:.1f} s" if seconds is not None else "FAILED"
    harm = [*result.lost, *result.doubled, *result.harmed, *([result.error] if result.error else [])]
    stamp = time.strftime("%H:%M:%S", time.gmtime())
    told = f"{time_text}, load {result.load:.0f}. {'; '.join(harm[:5])}"
    print(f"{stamp} {scenario.name}, round {number}: {told}", file=sys.stderr)


def _met(target: float, played: Sequence[Round]) -> bool:
    return all(r.harmless and r.seconds is not None and r.seconds <= target for r in played)


def _line(scenario: Scenario, target: float, played: Sequence[Round]) -> str:
    seconds = [r.seconds for r in played if r.seconds is not None]
    median = f"{statistics.median(seconds):.1f} s" if seconds else "–"
    failed = len(played) - len(seconds)
    worst = f"{failed} FAILED" if failed else f"{max(seconds):.1f} s"
    harm = [sum(len(getattr(r, kind)) for r in played) for kind in ("lost", "doubled", "harmed")]
    whole = f"{max(r.whole for r in played):.1f} s"  # the worst
    load = f"{statistics.median(r.load for r in played):.0f}"
    cells = [scenario.name, str(len(played)), f"{target:.0f} s", median, worst, whole, load, *map(str, harm)]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
