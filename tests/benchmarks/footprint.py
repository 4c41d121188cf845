"""How much memory the programs of a deployment take, and what they load to begin with.

    .venv/bin/python -m tests.benchmarks.footprint [--minutes 2 30 60] [--home FOLDER]
    .venv/bin/python -m tests.benchmarks.footprint --imports

Memory is PSS: each page is counted once, divided among the processes that share it, so that the sum is what
the machine is without. Without ``--home`` a deployment of its own is started with the sandbox, at Keepa's
pace (ticks and runs of 60 s); the dashboard is asked for its pages once a second. The sandbox is no part of
the sum: a live service has none.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from keepa_deals import settings
from keepa_deals.deployment.processes import ours, program_of
from tests.support.deployment import Service
from tests.support.imports import STARTED, imports_of

HEAVY = (
    "celery",
    "kombu",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "redis",
    "requests",
    "flask",
    "numpy",
    "babel",
)
PAGES = ("/", "/?sort=profit", "/deals?status=ended", "/status", "/healthz", "/api/status")
MEGABYTE = 1024


@dataclass
class Footprint:
    """Kilobytes by program: shared fairly (``pss``), and held by nobody else (``own``)."""

    processes: Counter[str] = field(default_factory=Counter)
    pss: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Of all but the sandbox."""
        return self.pss.total() - self.pss["sandbox"]


def measure(home: Path) -> Footprint:
    """What the processes of the deployment in ``home`` take now."""
    footprint = Footprint()
    for process in ours(home):
        with contextlib.suppress(psutil.Error, OSError):
            program = program_of(process.cmdline()) or "other"
            numbers = _rollup(process.pid)
            footprint.processes[program] += 1
            footprint.pss[program] += numbers["Pss"]
            footprint.own[program] += numbers["Private_Clean"] + numbers["Private_Dirty"]
    return footprint


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def table(looks: Sequence[tuple[float, Footprint]]) -> str:
    """Megabytes of PSS by program, a column a look."""
    last = looks[-1][1].processes
    count = last.total() - last["sandbox"]
    header = ["program", "processes", *(f"after {minutes:g} min" for minutes, _ in looks)]
    lines = [
        header,
        ["---"] * len(header),
        *([name, str(last[name]), *(_mb(look.pss[name]) for _, look in looks)] for name in _programs(looks)),
        ["**all but the sandbox**", str(count), *(f"**{_mb(look.total)}**" for _, look in looks)],
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _programs(looks: Sequence[tuple[float, Footprint]]) -> list[str]:
    """All that were seen, the sandbox last."""
    names = {name for _, look in looks for name in look.pss}
    return sorted(names, key=lambda name: (name == "sandbox", name))


def _mb(kilobytes: int) -> str:
    return f"{kilobytes / MEGABYTE:.0f} MB"


def imports_table() -> str:
    """Processor seconds, modules and memory of each program's imports."""
    lines = [
        "| program | seconds | modules | MB alone | of the heavy ones |",
        "| --- | --- | --- | --- | --- |",
    ]
    for program in STARTED:
        loaded = imports_of(program)
        heavy = ", ".join(name for name in HEAVY if name in loaded.packages) or "–"
        cells = (program, f"{loaded.seconds:.2f}", len(loaded.modules), _mb(loaded.kilobytes), heavy)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


@contextmanager
def read_pages(address: str, every: float = 1.0) -> Iterator[None]:
    """A reader who goes from page to page."""
    enough = threading.Event()

    def read() -> None:
        count = 0
        while not enough.wait(every):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address + PAGES[count % len(PAGES)], timeout=10).read()
            count += 1

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@contextmanager
def deployment(options: argparse.Namespace) -> Iterator[Path]:
    """The home to look at: the one that was named, or that of a deployment of our own."""
    if options.home is not None:
        home = options.home.resolve()
        with read_pages(settings.in_force(home).dashboard_url.rstrip("/")):
            yield home
        return
    with tempfile.TemporaryDirectory(prefix="keepa-deals-footprint-") as folder:
        pace = str(options.pace)
        service = Service(Path(folder) / "home", UPSERT_INTERVAL_SECONDS=pace, KEEPA_TICK_SECONDS=pace)
        try:
            print(service.start().splitlines()[-1])
            with read_pages(service.address):
                yield service.layout.path
        finally:
            service.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.footprint", description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[2, 30, 60], help="when to look")
    parser.add_argument("--home", type=Path, help="a deployment that runs already")
    parser.add_argument("--pace", type=int, default=60, help="seconds of a tick and between two runs")
    parser.add_argument("--imports", action="store_true", help="what each program loads, and no deployment")
    options = parser.parse_args()
    if options.imports:
        print(imports_table())
        return
    with deployment(options) as home:
        began, looks = time.monotonic(), []
        for minutes in sorted(options.minutes):
            time.sleep(max(0.0, began + minutes * 60 - time.monotonic()))
            looks.append((minutes, measure(home)))
            print(table(looks), flush=True)


if __name__ == "__main__":
    main()
