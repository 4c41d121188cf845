"""What readers see, compared: ``python -m tests.benchmarks.behaviour --ref COMMIT``.

The dashboard of a commit and that of the working tree answer the same questions over the same database and
Redis (those that an older version left: ``tests/support/upgrade``), at the same moment. Named is what differs
in pages, feeds, exports, the API, its description, and the names of the metrics.
"""

from __future__ import annotations

import argparse
import difflib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.servers.redis import RedisServer
from tests.support.upgrade.recorded import VERSIONS

AT = "2026-03-01T15:14:00+00:00"
"""A minute after the last run that the database knows."""
VIEWS = (
    "",
    "status=all",
    "status=stale&layout=cards&density=compact",
    "status=ended&sort=seen&order=asc",
    "status=open&interval=day&sort=discount_day",
    "price_max=20.00&discount_min=30&rank_max=100000&sold_min=1&limit=10",
    "q=title&category=283155&amazon=no&lowest=ever&unknown=1",
    "status=all&found_within=24&price_changed_within=3&seen_within=60",
    "status=all&profit_min=1.00&roi_min=5&rating_min=3",
    "price_min=x&nonsense=1",
    "status=all&limit=10",
)
DEALS = ("A000000001", "B000000003", "B000000007", "B000000020", "B000000201", "B0NOSUCH00")
PATHS = (
    *(f"/?{view}" for view in VIEWS),
    *(f"/deals/1/{asin}" for asin in DEALS),
    *("/health", "/login", "/no-such-page", "/healthz", "/readyz"),
    *(f"{path}?status=all" for path in ("/export.csv", "/export.json", "/feed.atom", "/live")),
    *(f"/api/deals?{view}" for view in VIEWS),
    *(f"/api/deals/1/{asin}" for asin in DEALS),
    *("/api/status", "/api/openapi.json", "/metrics"),
)
ASK = """
import json, sys
from datetime import datetime
from keepa_deals.settings import Settings
from keepa_deals.web.app import create_app

class Clock:
    def now(self): return datetime.fromisoformat(at)
    def monotonic(self): return 1000.0
    def sleep(self, seconds): pass

home, redis_url, at, paths = sys.argv[1:5]
app = create_app(
    Settings(_env_file=None, keepa_api_key="k" * 64, keepa_deals_home=home, redis_url=redis_url),
    clock=Clock(),
)
client = app.test_client()
answers = {}
for path in json.loads(paths):
    answer = client.get(path)
    kept = ("Content-Type", "Content-Security-Policy", "Cache-Control", "Location", "Content-Disposition")
    heads = [f"{name}: {answer.headers[name]}" for name in kept if name in answer.headers]
    answers[path] = "\\n".join([str(answer.status_code), *heads, "", answer.get_data(as_text=True)])
with open(sys.argv[5], "w", encoding="utf-8") as file:
    json.dump(answers, file)
"""
CHANGING = (
    (re.compile(r'(name="csrf_token" value=")[^"]+'), r"\1…"),
    (re.compile(r"(nonce[-=]\"?)[\w+/=-]+"), r"\1…"),
    (re.compile(r"/static/[0-9a-f]{12}/"), "/static/…/"),
)
RUNNING = ("/health", "/api/status", "/readyz", "/metrics")
"""They tell of this process and this machine, too: of their numbers only the places are compared."""


def answers(tree: Path, work: Path, redis_url: str, paths: tuple[str, ...] = PATHS) -> dict[str, str]:
    """What the dashboard of a source tree says under each path."""
    home, told = Path(tempfile.mkdtemp(dir=work)), work / "answers.json"
    VERSIONS[-1].restore(f"sqlite:///{home / 'deals.db'}")
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    subprocess.run(
        [sys.executable, "-c", ASK, str(home), redis_url, AT, json.dumps(paths), str(told)],
        cwd=tree,
        env={**keep, "PYTHONPATH": str(tree)},
        check=True,
    )
    found = json.loads(told.read_text(encoding="utf-8"))
    return {path: settled(path, answer.replace(str(home), "HOME")) for path, answer in found.items()}


def settled(path: str, answer: str) -> str:
    """An answer without what changes from one asking to the next, a piece of markup or JSON a line."""
    for pattern, instead in CHANGING:
        answer = pattern.sub(instead, answer)
    head, _, body = answer.partition("\n\n")
    if path == "/metrics":
        body = "\n".join(sorted(line.rpartition(" ")[0] for line in body.splitlines() if line[:1] != "#"))
    elif "application/json" in head:
        body = json.dumps(json.loads(body), indent=1, sort_keys=True, ensure_ascii=False)
    else:
        lines = re.sub(r"(<[^>]+>)", r"\n\1\n", body).splitlines()
        body = "\n".join(" ".join(line.split()) for line in lines if line.strip())
    if path in RUNNING:
        body = re.sub(r"\d+(?:[.,]\d+)*", "0", body)
    return f"{head}\n\n{body}"


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """By path: the lines that only one of the two says, marked ``-`` and ``+``."""
    found = {}
    for path in before:
        lines = difflib.unified_diff(before[path].splitlines(), after[path].splitlines(), n=0, lineterm="")
        changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        if changed:
            found[path] = changed
    return found


def checked_out(ref: str, folder: Path) -> Path:
    command = ["git", "-C", str(ROOT), "archive", ref]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"behaviour: {ref}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def compare(ref: str, work: Path) -> dict[str, list[str]]:
    """What the working tree says otherwise than ``ref``."""
    server = RedisServer(work)
    server.start()
    try:
        with server.client() as client:
            VERSIONS[-1].restore_redis(client)
        before = answers(checked_out(ref, work / "before"), work, server.url)
        return differences(before, answers(ROOT, work, server.url))
    finally:
        server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.behaviour", description=__doc__)
    parser.add_argument("--ref", required=True, help="the commit to compare the working tree with")
    parser.add_argument("--lines", type=int, default=20, help="of each difference")
    asked = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="behaviour-"))
    try:
        found = compare(asked.ref, work)
    finally:
        shutil.rmtree(work)
    print(f"{len(PATHS) - len(found)} of {len(PATHS)} answers are the same as those of {asked.ref}")
    alike: dict[tuple[str, ...], list[str]] = {}
    for path, lines in found.items():
        alike.setdefault(tuple(lines), []).append(path)
    for lines, paths in alike.items():
        print(f"\n{', '.join(paths)}: {len(lines)} lines differ")
        print("\n".join(f"  {line:.200}" for line in lines[: asked.lines]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
