"""The properties about what strangers send, with as many examples as fit into some minutes.

    .venv/bin/python -m tests.security.fuzz --minutes 10      (make fuzz)

Each target is a test of the suite; a round of it tries some thousand new examples. Prints executions and
findings as a table; the exit code is 1 when there are any. What fails is kept, shrunk, in ``.hypothesis``;
the test tries it first from then on; whoever mends it writes it down as an ``@example``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field

from tests.support.examples import VARIABLE
from tests.support.paths import ROOT

TARGETS = {
    "answers of /deal, /product, /token": "tests/security/test_hostile_answers.py",
    "entries of /deal, /product, /token": "tests/unit/keepa/test_recorded_deals.py",
    "queue messages": "tests/unit/worker/test_messages.py",
    "requests: headers, parameters, paths, bodies": "tests/security/test_hostile_requests.py",
}
ROUND = 2000
"""Examples of a property in one round: some ten seconds for most, a minute for requests."""
_PASSED = re.compile(r"- (\d+) passing, (\d+) failing, and (\d+) invalid test cases")
_PROPERTY = "whatever or anything or nothing_that_is_sent or an_answer_is"
_FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


@dataclass
class Found:
    """What the rounds of a target brought."""

    rounds: int = 0
    executions: int = 0
    findings: set[str] = field(default_factory=set)
    seconds: float = 0.0


def play(target: str, found: Found, examples: int) -> None:
    """One more round; a finding is the name of a test that failed, and its words are printed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout=0",
        "--hypothesis-show-statistics",
    ]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "-k", _PROPERTY, target],
        # under CI Hypothesis would try the same examples each time
        env={**{k: v for k, v in os.environ.items() if k != "CI"}, VARIABLE: str(examples)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found.seconds += time.monotonic() - began
    found.rounds += 1
    tried = [sum(map(int, groups)) for groups in _PASSED.findall(done.stdout)]
    assert tried, done.stdout + done.stderr
    found.executions += sum(tried)
    failed = set(_FAILED.findall(done.stdout))
    if failed - found.findings:
        print(done.stdout, file=sys.stderr)
    found.findings |= failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--examples", type=int, default=ROUND, help="of a property, in one round")
    options = parser.parse_args()
    ends = time.monotonic() + options.minutes * 60
    found = {name: Found() for name in TARGETS}
    while time.monotonic() < ends:
        # the one that had the least time is next, so that each has as much
        name = min(found, key=lambda name: found[name].seconds)
        play(TARGETS[name], found[name], options.examples)
    print("| target | executions | rounds | minutes | findings |\n| --- | --- | --- | --- | --- |")
    for name, one in found.items():
        findings = ", ".join(sorted(one.findings)) or "0"
        print(f"| {name} | {one.executions:,} | {one.rounds} | {one.seconds / 60:.1f} | {findings} |")
    return 1 if any(one.findings for one in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
