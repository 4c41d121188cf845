"""24 hours of the whole deployment in minutes: does the dashboard tell the truth, and what does that cost?

    .venv/bin/python tests/benchmarks/freshness_simulation.py [--cases 450@5,450@20:12] [--svg FILE]

The real upserter, backfiller and maintenance on the real TokenManager (a Redis of its own) and a real SQLite
file, against the sandbox's account and catalogue, under a simulated clock; whatever the bulk lane gives is
spent. A case is DEALS@TOKENS-A-MINUTE[:HOURS]. ``--svg`` draws 450 deals beside the replaced system's token
rules, under which the same ingestion runs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sqlalchemy import func, select

from keepa_deals.db import migrate
from keepa_deals.db.models import DealEvent, DealEventKind
from keepa_deals.db.session import Database
from keepa_deals.errors import TokensUnavailableError
from keepa_deals.ingest.ports import TokenSource
from keepa_deals.keepa.selection import load_selection
from keepa_deals.keepa.types import TokenEnvelope
from keepa_deals.sandbox.account import Account
from keepa_deals.settings import Settings
from keepa_deals.token_manager import TokenSnapshot
from tests.benchmarks.freshness_chart import Panel, draw
from tests.support.redis_server import RedisServer
from tests.support.simulation import Figures, SimulatedTime, World, build, simulate

CASES = "450@5,450@20,450@250,3000@20:12,10000@60:6,10000@5:6,50000@250:3"
SETTLED = 2.0
"""Hours that the table has to fill before the figures count."""
IN_STEP = 3.0
"""Hours before what keeping costs counts: in the second window some pages are read twice, as the first sweeps
come upon what the backfiller had read all at once."""


@dataclass
class _Grant:
    items: int

    def settle(self, envelope: TokenEnvelope) -> None:
        """It takes its balance from the account itself."""

    def __enter__(self) -> _Grant:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give back."""


class ReplacedRules:
    """The token rules of the replaced system, on a balance that is always right (its own was not).

    Below 50 tokens everybody waits for 55, looking every 15 s. ``skip``: the upserter gives up instead.
    ``priority``: what costs 10 or less goes as soon as the balance holds it.
    """

    def __init__(self, clock: SimulatedTime, account: Account, *, skip: bool, priority: bool) -> None:
        self._clock, self._account, self._skip, self._priority = clock, account, skip, priority
        self._recovering = False

    def snapshot(self) -> TokenSnapshot | None:
        return None

    def request_permission_for_call(
        self, cost: int, *, timeout: float | None = None, kind: str | None = None, items: int = 1,
        task: str | None = None,
    ) -> _Grant:  # fmt: skip
        return self._wait(cost, items, 0.0 if self._skip and task == "update_recent_deals" else timeout)

    def request_batch(
        self, kind: str, *, max_items: int, min_items: int = 1, price_hint: int = 1,
        timeout: float | None = None, task: str | None = None,
    ) -> _Grant:  # fmt: skip
        return self._wait(max_items * price_hint, max_items, timeout)

    def _wait(self, cost: int, items: int, timeout: float | None) -> _Grant:
        give_up = None if timeout is None else self._clock.monotonic() + timeout
        while not self._may_go(cost):
            if give_up is not None and self._clock.monotonic() + 15 > give_up:
                raise TokensUnavailableError("below 50: waiting for 55", retry_after=15.0)
            self._clock.sleep(15)
        return _Grant(items)

    def _may_go(self, cost: int) -> bool:
        balance = self._account.tokens_left
        if self._priority and cost <= 10:
            return balance >= cost
        if balance < 50:
            self._recovering = True
        if balance >= 55:
            self._recovering = False
        return not self._recovering


RULES: dict[str, Callable[[SimulatedTime, Account], TokenSource] | None] = {
    "below 50 wait for 55, the upserter skips": lambda c, a: ReplacedRules(c, a, skip=True, priority=False),
    "the same, the upserter waits": lambda c, a: ReplacedRules(c, a, skip=False, priority=False),
    "priority pass": lambda c, a: ReplacedRules(c, a, skip=False, priority=True),
    "this system": None,
}
HEADER = (
    f"{'deals':>6} {'rate':>4} {'hours':>5} {'kept':>6} {'right':>7} {'shown':>7} {'worst':>7} "
    f"{'dropped':>7} {'late':>6} {'now':>11} {'keep/bound':>10} {'ended':>6} {'429':>3}  rules"
)


def run_case(deals: int, rate: int, hours: float, rules: str = "this system") -> Figures:
    """One case, printed as a row."""
    selection = load_selection(Settings(_env_file=None).keepa_deal_selection, domain_id=1)  # type: ignore[call-arg]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            database = Database(f"sqlite:///{folder}/deals.db")
            migrate.upgrade(database)
            world = build(
                server.client(), database, deals=deals, rate=rate, hours=hours, selection=selection,
                rules=RULES[rules],
            )  # fmt: skip
            figures = simulate(world, settled=min(SETTLED, hours / 2), in_step=min(IN_STEP, hours / 2))
            _print(world, figures, deals, rate, hours, rules)
            database.close()
        finally:
            server.stop()
    print(f"{'':>8}({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    return figures


def _print(world: World, figures: Figures, deals: int, rate: int, hours: float, rules: str) -> None:
    ended = _ended(world)
    statistics = world.account.statistics()
    last = figures.last
    late = figures.overstayed / max(1, figures.shown)
    asked = world.ledger.of("upserter", "/product") / max(1, ended)
    keep = _cost_of_keeping(figures)
    print(
        f"{deals:6} {rate:4} {hours:5.0f} {world.plan().get('kept', deals):6} "
        f"{_percent(figures.right, figures.shown):>7} {_percent(figures.there, figures.must):>7} "
        f"{figures.worst_share:7.2%} {len(figures.dropped):7} {late:6.2%} "
        f"{last['right now']:5.1%}/{last['there now']:5.1%} {keep:10.3f} "
        f"{asked:6.2f} {statistics.rejected_429:3}  {rules}",
        flush=True,
    )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "-"


def _cost_of_keeping(figures: Figures) -> float:
    """The tokens of whole sweeps, their first two pages once, against 5 for each 150 deals a window."""
    spent = figures.spent - figures.spent_before
    pages = {c: n for (who, c), n in spent.items() if who == "upserter" and c.startswith("/deal ")}
    pages["/deal 0"] = pages["/deal 1"] = pages.get("/deal 2", 0)  # mostly read for what is new
    return sum(pages.values()) / figures.swept if figures.swept else 0.0


def _ended(world: World) -> int:
    query = select(func.count()).where(DealEvent.kind == DealEventKind.ENDED)
    with world.context.database.session() as session:
        return int(session.scalar(query) or 0)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", default=CASES)
    arguments.add_argument("--hours", type=float, default=24.0)
    arguments.add_argument("--svg", type=Path, help="draw 450 deals under all rules into this file")
    arguments.add_argument("--svg-rates", default="5", help="tokens a minute, a panel each")
    options = arguments.parse_args()
    logging.basicConfig(level=logging.ERROR)
    print(HEADER)
    for case in filter(None, options.cases.split(",")):
        what, _, hours = case.partition(":")
        deals, _, rate = what.partition("@")
        run_case(int(deals), int(rate), float(hours or options.hours))
    if options.svg:
        panels = [_panel(rate, options.hours) for rate in map(int, options.svg_rates.split(","))]
        options.svg.write_text(draw(panels), encoding="utf-8")


def _panel(rate: int, hours: float) -> Panel:
    curves = {rules: run_case(450, rate, hours, rules).curve for rules in RULES}
    listed = [(hour, there) for hour, _, there in curves["this system"]]
    shown = {rules: [(hour, live) for hour, live, _ in curve] for rules, curve in curves.items()}
    return Panel(f"{rate} tokens a minute", hours, {"listed by Keepa": listed, **shown})


if __name__ == "__main__":
    main()
