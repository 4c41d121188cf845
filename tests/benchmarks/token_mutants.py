"""Plants bugs in the token scripts, one at a time, and shows that the properties find each.

    .venv/bin/python tests/benchmarks/token_mutants.py [--only WORD]

Each mutant replaces one piece of Lua; a piece that is no longer there is an error, so that the list can't
go stale. Runs ``tests/integration/redis/tokens/test_properties.py`` and, where that is named, the tests of single
rules, in a process of its own; prints what caught it. Exit code 1 when one survives, or when the scripts as they are fail.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from tests.support.paths import ROOT

PROPERTIES = "tests/integration/redis/tokens/test_properties.py"
RULES = " ".join(
    f"tests/integration/redis/tokens/test_{part}.py"
    for part in ("bucket", "waiting", "failures", "ticks", "absurdities")
)
RUN = """
import sys
import pytest
from hypothesis import Phase, settings
settings.register_profile("find", phases=(Phase.generate,))  # found is enough: no smallest example
settings.load_profile("find")
sys.path.insert(0, {root!r})
from keepa_deals import redis_store
source = redis_store.script_text
def mutated(name):
    return source(name).replace({old!r}, {new!r})
redis_store.script_text = mutated
quiet = ["-x", "-q", "--nightly", "-p", "no:cacheprovider", "--no-header", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
sys.exit(pytest.main([*quiet, *{tests!r}.split()]))
"""


@dataclass(frozen=True)
class Mutant:
    """One planted bug: in every script that holds ``old``, it becomes ``new``."""

    name: str
    old: str
    new: str
    tests: str = PROPERTIES


# ruff: noqa: E501
# fmt: off
MUTANTS = (
    Mutant("ticks are counted 5 s early", "now + math.ceil(refill_in + slack(s))", "now + math.ceil(refill_in) - 5000"),
    Mutant("a tick too many", "1 + math.floor((now - s.tick_at) / s.period)", "2 + math.floor((now - s.tick_at) / s.period)"),
    Mutant("an older answer overwrites", "not s or ts > s.ts or", "not s or ts ~= s.ts or", RULES),
    Mutant("an answer under way is taken for a new one", "expiry - LIFE > s.as_of", "true"),
    Mutant("of one millisecond the richer counts", "(ts == s.ts and left < s.left)", "(ts == s.ts and left > s.left)", RULES),
    Mutant("a lost answer frees its reservation", "if cost and what == 'unanswered' then", "if false then"),
    Mutant("an expired reservation counts as free", "s.forgiven + lapsed, true", "s.forgiven + lapsed, false"),
    Mutant("bulk reserves the mean", "math.max(4 * mean, worst, each)", "math.max(mean, each)"),
    Mutant("small requests reserve nothing", "return grant(small_reserve(), most)", "return grant(0, most)"),
    Mutant("the bucket has no capacity", "math.max(s.left, math.min(s.capacity, s.uncapped))", "s.uncapped"),
    Mutant("reservations are ignored", "s.available = s.total - s.reserved", "s.available = s.total"),
    Mutant("a settlement forgets all reservations", "s.reserved = math.max(0, s.reserved - (cost or 0))", "s.reserved = 0"),
    Mutant("bulk leaves no reserve", "local keep = math.max(UPSERT_TOKENS, page) * (1 + UPSERT_RUNS)", "local keep = 0"),
    Mutant("bulk ignores recovery", "recovery_bound(ceiling))", "0)"),
    Mutant("small waits for recovery", "local need, reserve, items = price,", "local need, reserve, items = math.max(price, TARGET),"),
    Mutant("no small request waits for its tokens", "s.available >= need and not limited", "(s.available >= need or not is_bulk) and not limited"),
    Mutant("the queue has no order", "if not first or first == id then", "if true then", RULES),
    Mutant("the last in the queue goes first", "redis.call('ZRANGE', queue, 0, 0)", "redis.call('ZRANGE', queue, -1, -1)"),
    Mutant("no share for bulk", "local limited = lane == 'small' and bulk_waits and limited_for(need)", "local limited = false", RULES),
    Mutant("small requests promised for ever", "math.max(0, math.min(others, allowance(s))) or others", "others or others", RULES),
    Mutant("bulk takes what small ones wait for", " + s.foreign + promised(s, bulk_waits)", " + s.foreign", RULES),
    Mutant("nobody is woken", "if id and not forbidden and (at <= now", "if false and (at <= now", RULES),
    Mutant("nobody is woken for an earlier tick", "at + 2 * SLACK < asks_at", "false", RULES),
    Mutant("waiters are told to come too late", "wait = math.max(1, math.ceil(wait)", "wait = math.max(1, 3 * TICK + math.ceil(wait)"),
    Mutant("a waiter loses its place", "if not place then\n        if is_bulk", "if true then\n        if is_bulk"),
    Mutant("the flow reduction is ignored", "math.floor(rate - tonumber(ARGV[7]))", "rate", RULES),
    Mutant("a foreign spender is not noticed", "return math.max(0, there - consumed", "return math.min(0, there - consumed", RULES),
    Mutant("the period of ticks is not learned", "s.late = s.late + (late", "s.late = s.late + 0 * (late", RULES),
    Mutant("the time of processing is forgotten", "ts + tonumber(ARGV[13]) + refill_in", "ts + refill_in", RULES),
    Mutant("ticks are taken to be 60 s apart", "math.ceil(TICK + math.max(0, s.late + s.dev / 2))", "TICK", RULES),
    Mutant("no slack but the least", "math.min(LATEST, math.max(SLACK, s.late", "math.min(SLACK, math.max(SLACK, s.late", RULES),
    Mutant("an overdue tick teaches nothing", "s.dev = math.max(s.dev, (math.min(LATEST", "s.dev = math.min(s.dev, (math.min(LATEST", RULES),
    Mutant("a clock that is set is taken for a late tick", "if math.abs(late) <= LATEST then", "if true then", RULES),
    Mutant("a late tick is a foreign spender", "math.min(ticks, sure)", "sure + 1", RULES),
    Mutant("every refusal is a late tick's", "return refused and near and", "return refused or", RULES),
    Mutant("a late tick may refuse again and again", "now - s.refused_at > SELDOM", "true", RULES),
    Mutant("a deep deficit is never asked about", "if queues and is_deep(s) then", "if false then", RULES),
    Mutant("what was asked for is not taken", "s.doubt or is_older(s, RECHECK)", "s.doubt", RULES),
    Mutant("a time to come is never too old", " or s.as_of - now > TICK", "", RULES),
    Mutant("a clock of the far future is believed", "if ts > now + DAY then", "if false then", RULES),
    Mutant("any record is believed", "return possible and s or nil", "return s", RULES),
    Mutant("numbers without end are believed", "value >= least and value <= most -- nan is neither", "true", RULES),
    Mutant("an unbelievable answer leaves no doubt", "elseif what == 'unbelievable' then", "elseif false then", RULES),
    Mutant("a lost answer of Redis grants twice", "if s.mine then", "if false then", RULES),
)
# fmt: on


def sources() -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / "keepa_deals" / "lua").glob("tokens_*.lua")))


def run(mutant: Mutant) -> tuple[bool, str]:
    """Whether the tests failed, and the first line that says why."""
    program = RUN.format(root=str(ROOT), old=mutant.old, new=mutant.new, tests=mutant.tests)
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # examples of one mutant must not be tried first on the next
        environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": folder}
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):
        raise SystemExit(
            f"{mutant.name}: the tests could not run\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    why = re.findall(r"^E +(?:\w*Error: ?|assert )(.*)$", done.stdout, re.MULTILINE)
    failed = re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)
    return done.returncode == 1, f"{failed[0] if failed else ''}: {why[-1][:70] if why else ''}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", default="", help="mutants whose name holds this word")
    options = arguments.parse_args()
    text, survivors = sources(), 0
    for tests in (PROPERTIES, RULES):
        failed, why = run(Mutant("no bug", "-- ", "-- ", tests))
        if failed:
            raise SystemExit(f"{tests} fails with no bug planted: {why}")
    for mutant in MUTANTS:
        if mutant.old not in text:
            raise SystemExit(f"{mutant.name}: this piece is no longer in the scripts: {mutant.old!r}")
        if options.only not in mutant.name:
            continue
        began = time.monotonic()
        caught, why = run(mutant)
        survivors += not caught
        verdict, seconds = "caught" if caught else "SURVIVED", time.monotonic() - began
        print(f"{verdict:9} {mutant.name:42} {seconds:4.0f} s  {why}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
