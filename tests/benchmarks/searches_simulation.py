"""What each of several searches shows, on plans that suffice and on plans that do not.

Each search has a marketplace of its own; all share one account. Weights go round 2, 5, 10 with --weights.
The real upserter, backfiller, maintenance and token manager run against worlds under a simulated clock, as in
``freshness_simulation``. Prints a JSON object a search: shares right and shown, the worst minute, false ends,
what the plan keeps, and the tokens an hour that were planned and spent.

    python -m tests.benchmarks.searches_simulation --searches 5 --deals 150 --rates 5,20,60,250 --hours 3
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

from keepa_deals.db import migrate
from keepa_deals.db.session import Database
from keepa_deals.keepa.selection import read_selection
from keepa_deals.marketplaces import MARKETPLACES
from keepa_deals.settings import Settings
from tests.support.servers.redis import RedisServer
from tests.support.simulation.searches import Found, Wanted, build_searches, simulate_searches
from tests.support.worlds import sandbox
from tests.support.worlds.door import load

WEIGHTS = (2, 5, 10)


def run_case(arguments: argparse.Namespace, rate: int) -> list[Found]:
    """One plan's searches."""
    began = time.monotonic()
    query = Settings(_env_file=None).keepa_deal_selection  # type: ignore[call-arg]
    create, source = sandbox.create, "the sandbox"
    options = dict(text.split("=", 1) for text in arguments.option)
    if arguments.world is not None:
        create, source = load(arguments.world), str(arguments.world)
    else:
        options = {"selection": str(query), **options}
    weights = WEIGHTS if arguments.weights else (5,)
    wanted = [
        Wanted(domain, arguments.deals, weights[place % len(weights)])
        for place, domain in enumerate(list(MARKETPLACES)[: arguments.searches])
    ]
    with tempfile.TemporaryDirectory() as folder:
        searches = Path(folder) / "searches"
        searches.mkdir()
        server = RedisServer(Path(folder))
        server.start()
        database = Database(f"sqlite:///{Path(folder) / 'deals.db'}")
        try:
            migrate.upgrade(database)
            deployment = build_searches(
                server.client(), database, searches, wanted, create=create, source=source, rate=rate,
                hours=arguments.hours, selection=read_selection(query).query, options=options,
            )  # fmt: skip
            settled = min(2.0, arguments.hours / 2)
            found = simulate_searches(deployment, wanted, hours=arguments.hours, settled=settled)
            for one in found:
                print(json.dumps({"rate": rate, "hours": arguments.hours, **one.to_json()}), flush=True)
        finally:
            database.close()
            server.stop()
    print(f"{rate} tokens a minute: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    most = len(MARKETPLACES)
    parser.add_argument("--searches", type=int, default=5, choices=range(1, most + 1), metavar=f"1-{most}")
    parser.add_argument("--deals", type=int, default=150, help="of each search")
    parser.add_argument("--rates", default="20", help="tokens a minute, with commas between")
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--weights", action="store_true", help="weights 2, 5, 10 in turn instead of 5")
    parser.add_argument("--world", type=Path, help="a Python file whose create() makes each world")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="for the worlds")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    for rate in arguments.rates.split(","):
        run_case(arguments, int(rate))


if __name__ == "__main__":
    main()
