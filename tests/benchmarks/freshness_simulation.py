"""Hours of the whole deployment in minutes: does the dashboard tell the truth, and what does that cost?

    python -m tests.benchmarks.freshness_simulation [--cases 450@5,450@20:12] [--json] [--svg FILE]
        [--world FILE.py] [--option NAME=VALUE]… [--seed N] [--selection FILE]

The real upserter, backfiller and maintenance on the real TokenManager (a Redis of its own) and a real SQLite
file, under a simulated clock, against a world: what answers as Keepa would, and says what is true. Without
``--world`` that is the sandbox. ``tests/support/worlds/door.py`` says what a world file must have. Whatever
the bulk lane gives is spent.

A case is DEALS@TOKENS-A-MINUTE[:HOURS]. ``--json`` prints one object a case, on a line; what each figure
means is said in ``tests/support/simulation/truthfulness.py``. ``--svg`` draws 450 deals beside the replaced
system's token rules, under which the same ingestion runs. A world or an argument that cannot be used: one
line, exit code 2.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.errors import SettingsError, TokensUnavailableError
from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.selection import read_selection
from keepa_deals.settings import Settings
from keepa_deals.token_manager import TokenSnapshot
from tests.benchmarks.freshness_chart import Panel, draw
from tests.support.servers.redis import RedisServer
from tests.support.simulation.run import Rules, SimulatedTime, build, simulate
from tests.support.simulation.truthfulness import Figures, Mark
from tests.support.worlds import sandbox
from tests.support.worlds.door import CheckedWorld, Create, WorldError, load

CASES = "450@5,450@20,450@250,3000@20:12,10000@60:6,10000@5:6,50000@250:3"
SETTLED = 2.0
"""Hours that the table has to fill before the figures count."""
IN_STEP = 3.0
"""Hours before what keeping costs counts: in the second window some pages are read twice, as the first sweeps
come upon what the backfiller had read all at once."""


@dataclass
class _Reservation:
    items: int

    def settle(self, envelope: TokenEnvelope) -> None:
        """It takes its balance from the account itself."""

    def release(self) -> None:
        """Nothing was reserved."""

    def __enter__(self) -> _Reservation:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give back."""


class ReplacedRules:
    """The token rules of the replaced system, on a balance that is always right (its own was not).

    Below 50 tokens everybody waits for 55, looking every 15 s. ``skip``: the upserter gives up instead.
    ``priority``: what costs 10 or less goes as soon as the balance holds it.
    """

    def __init__(self, clock: SimulatedTime, world: CheckedWorld, *, skip: bool, priority: bool) -> None:
        self._clock, self._account, self._skip, self._priority = clock, world.inner.account, skip, priority
        self._recovering = False

    def snapshot(self) -> TokenSnapshot | None:
        return None

    def request_permission_for_call(
        self, cost: int, *, timeout: float | None = None, kind: str | None = None, items: int = 1,
        task: str | None = None,
    ) -> _Reservation:  # fmt: skip
        return self._wait(cost, items, 0.0 if self._skip and task == "update_recent_deals" else timeout)

    def request_batch(
        self, kind: str, *, max_items: int, min_items: int = 1, price_hint: int = 1,
        timeout: float | None = None, task: str | None = None,
    ) -> _Reservation:  # fmt: skip
        return self._wait(max_items * price_hint, max_items, timeout)

    def _wait(self, cost: int, items: int, timeout: float | None) -> _Reservation:
        give_up = None if timeout is None else self._clock.monotonic() + timeout
        while not self._may_go(cost):
            if give_up is not None and self._clock.monotonic() + 15 > give_up:
                raise TokensUnavailableError("below 50: waiting for 55", retry_after=15.0)
            self._clock.sleep(15)
        return _Reservation(items)

    def _may_go(self, cost: int) -> bool:
        balance = self._account.tokens_left
        if self._priority and cost <= 10:
            return balance >= cost
        if balance < 50:
            self._recovering = True
        if balance >= 55:
            self._recovering = False
        return not self._recovering


RULES: dict[str, Rules | None] = {
    "below 50 wait for 55, the upserter skips": lambda c, w: ReplacedRules(c, w, skip=True, priority=False),
    "the same, the upserter waits": lambda c, w: ReplacedRules(c, w, skip=False, priority=False),
    "priority pass": lambda c, w: ReplacedRules(c, w, skip=False, priority=True),
    "this system": None,
}
HEADER = (
    f"{'deals':>6} {'rate':>4} {'hours':>5} {'kept':>6} {'right':>8} {'shown':>8} {'worst':>8} "
    f"{'dropped':>7} {'ends':>6} {'false':>5} {'anew':>5} {'over':>5} {'late':>5} {'429':>4} {'used':>6} "
    f"{'keep':>6}  rules"
)


@dataclass(frozen=True)
class Case:
    """DEALS@TOKENS-A-MINUTE[:HOURS]."""

    deals: int
    rate: int
    hours: float

    @classmethod
    def parse(cls, text: str, hours: float) -> Case:
        """A ``ValueError`` that names what is no case."""
        what, _, length = text.strip().partition(":")
        deals, _, rate = what.partition("@")
        try:
            case = cls(int(deals), int(rate), float(length or hours))
        except ValueError:
            raise ValueError(f"{text!r} is no case: DEALS@TOKENS-A-MINUTE[:HOURS], such as 450@5:8") from None
        if case.deals < 1 or case.rate < 1 or not 0 < case.hours <= 24 * 366:
            raise ValueError(f"{text!r}: deals and tokens are at least 1, hours above 0 and at most a year")
        return case


@dataclass(frozen=True)
class Setting:
    """What all cases have in common."""

    create: Create
    source: str
    selection: Mapping[str, Any]
    seed: int = 1
    options: Mapping[str, str] = field(default_factory=dict)
    database: Path | None = None
    """Where to leave the database of the last case; ``None``: nowhere."""


def run_case(setting: Setting, case: Case, rules: str = "this system") -> Figures:
    """The figures of one case."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = setting.database or Path(folder) / "deals.db"
        path.unlink(missing_ok=True)
        server = RedisServer(Path(folder))
        server.start()
        database = Database(f"sqlite:///{path}")
        try:
            migrate.upgrade(database)
            deployment = build(
                server.client(), database, create=setting.create, source=setting.source, deals=case.deals,
                rate=case.rate, hours=case.hours, selection=setting.selection, seed=setting.seed,
                options=setting.options, rules=RULES[rules],
            )  # fmt: skip
            half = case.hours / 2
            figures = simulate(deployment, settled=min(SETTLED, half), in_step=min(IN_STEP, half))
            figures.result = figures.to_json()
        finally:
            database.close()
            server.stop()
    print(f"{'':>8}({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    return figures


def _row(case: Case, found: Mapping[str, Any], rules: str) -> str:
    return (
        f"{case.deals:6} {case.rate:4} {case.hours:5g} {found['kept']:6} {found['right']:8.3%} "
        f"{found['shown']:8.3%} {found['worst']:8.2%} {found['dropped']:7} {found['ends']:6} "
        f"{found['false_ends']:5} {found['returned']:5} {found['overstayed']:5} {found['late_ends']:5} "
        f"{found['rejected_429']:4} {found['used']:6.1%} {found['keep_ratio']:6.3f}  {rules}"
    )


def _object(case: Case, found: Mapping[str, Any]) -> str:
    return json.dumps({"deals": case.deals, "rate": case.rate, "hours": case.hours, **found})


def _trace(marks: list[Mark]) -> None:
    for mark in marks:
        at = time.strftime("%d %H:%M:%S", time.gmtime(mark.at))
        print(f"{at}  {mark.what:40} {mark.asin or '-':12} family {mark.family}", file=sys.stderr)


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _give_up(message)


def _give_up(message: object) -> NoReturn:
    print(f"freshness_simulation: {message}", file=sys.stderr)
    raise SystemExit(2)


def _arguments() -> argparse.Namespace:
    parser = _Arguments(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=CASES, help="DEALS@TOKENS-A-MINUTE[:HOURS], with commas between")
    parser.add_argument("--hours", type=float, default=24.0, help="of the cases that name none")
    parser.add_argument("--world", type=Path, help="a Python file whose create() makes the world")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="for the world")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--selection", type=Path, help="the deal query; the shipped one without it")
    parser.add_argument("--json", action="store_true", help="one JSON object a case")
    parser.add_argument(
        "--trace", action="store_true", help="on stderr: each false end and its kin, and when"
    )
    parser.add_argument("--keep-database", type=Path, help="leave the last case's SQLite file here")
    parser.add_argument("--svg", type=Path, help="draw 450 deals under all rules into this file")
    parser.add_argument("--svg-rates", default="5", help="tokens a minute, a panel each")
    return parser.parse_args()


def _setting(arguments: argparse.Namespace) -> Setting:
    path = arguments.selection or Settings(_env_file=None).keepa_deal_selection  # type: ignore[call-arg]
    options = {}
    for text in arguments.option:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"--option {text}: NAME=VALUE is meant")
        options[name] = value
    selection = read_selection(path, domain_id=1).query
    if arguments.world is None:
        options = {"selection": str(path), **options}
        create, source = sandbox.create, "the sandbox"
    else:
        create, source = load(arguments.world), str(arguments.world)
    return Setting(create, source, selection, arguments.seed, options, arguments.keep_database)


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(level=logging.ERROR)
    try:
        cases = [Case.parse(t, arguments.hours) for t in arguments.cases.split(",") if t.strip()]
        setting = _setting(arguments)
        if not arguments.json:
            print(HEADER)
        for case in cases:
            figures = run_case(setting, case)
            show = (
                _object(case, figures.result) if arguments.json else _row(case, figures.result, "this system")
            )
            print(show, flush=True)
            if arguments.trace:
                _trace(figures.marks)
        if arguments.svg:
            panels = [_panel(setting, int(rate), arguments.hours) for rate in arguments.svg_rates.split(",")]
            arguments.svg.write_text(draw(panels), encoding="utf-8")
    except (WorldError, SettingsError, ValueError, OSError) as error:
        _give_up(error)


def _panel(setting: Setting, rate: int, hours: float) -> Panel:
    case, curves = Case(450, rate, hours), {}
    for rules in RULES:
        figures = run_case(setting, case, rules)
        print(_row(case, figures.result, rules), flush=True)
        curves[rules] = figures.curve
    listed = [(hour, there) for hour, _, there in curves["this system"]]
    shown = {rules: [(hour, live) for hour, live, _ in curve] for rules, curve in curves.items()}
    return Panel(f"{rate} tokens a minute", hours, {"listed by Keepa": listed, **shown})


if __name__ == "__main__":
    main()
