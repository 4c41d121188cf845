"""Every fault injected for real, and what the diagnosis named: ``python -m tests.faults.diagnosis_table``.

With words as arguments only the cases whose name holds one of them. At the end all that the deployment wrote
and says is searched for parts of its secrets.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.catalogue import CASES, SHORT_WINDOW, TWO_AT_ONCE
from tests.faults.diagnosed_deployment import Case, Patient, Result, made, own_disk, try_out
from tests.support import secrets


def main(words: list[str]) -> int:
    """Print the table; 1 when a fault was named wrongly."""
    print("| fault | named | right | after | the script took | told as a consequence | past |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    rows, kept_secrets = _try_all(_chosen((*CASES, *TWO_AT_ONCE), words), {})
    others, others_kept = _try_all(_chosen(SHORT_WINDOW, words), {"DEAL_FRESH_MINUTES": "1"})
    rows += others
    results = [row for row in rows if row is not None]
    right = sum(result.right for result in results)
    seconds = [result.seconds for result in results]
    took = f"{statistics.median(seconds):.1f} s in the median, {max(seconds):.1f} s at most"
    print(f"\n{right} of {len(rows)} right; the script took {took}")
    return 0 if right == len(rows) and kept_secrets and others_kept else 1


def _chosen(cases: tuple[Case, ...], words: list[str]) -> list[Case]:
    return [case for case in cases if not words or any(word in case.name for word in words)]


def _try_all(cases: list[Case], settings: dict[str, str]) -> tuple[list[Result | None], bool]:
    """The rows, and whether nothing that was written shows a part of a secret."""
    if not cases:
        return [], True
    with tempfile.TemporaryDirectory(prefix="keepa-deals-") as folder:
        home = Path(folder) / "home"
        with own_disk(home):
            service = made(home, **settings)
            try:
                service.start()
                rows = [_row(Patient(service), case) for case in cases]
                searched = secrets.search(service)
                print(f"\n{searched}", flush=True)
                return rows, not searched.found
            finally:
                service.kill()


def _row(patient: Patient, case: Case) -> Result | None:
    began = time.monotonic()
    try:
        result = try_out(patient, case)
    except Exception as error:
        words = " ".join(str(error).split())
        print(
            f"| {case.name} | {words[:300]} | **no** | {time.monotonic() - began:.0f} s | | | |", flush=True
        )
        return None
    named = ", ".join(result.first) or "nothing"
    right = "yes" if result.right else "**no**"
    follow = ", ".join(dict.fromkeys(result.consequences))
    print(
        f"| {case.name} | {named} | {right} | {result.after:.0f} s | {result.seconds:.1f} s | {follow} "
        f"| {case.past or ''} |",
        flush=True,
    )
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
