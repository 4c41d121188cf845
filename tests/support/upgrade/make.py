"""Makes what an older version leaves behind: ``python -m tests.support.upgrade.make FOLDER``.

The folder beside this file is named by date and commit. Its ``scene.py`` runs under that commit's code.
Beside it come, made once and committed:

- ``deals.sql``: the SQLite file as text,
- ``redis.json``: all keys,
- ``cursors.json``: the jobs' cursors at other moments of the scene, one of each shape,
- ``statements.json``: what the jobs sent to SQLite, each statement with the values of its first use.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import redis

from tests.support.paths import ROOT
from tests.support.servers.redis import RedisServer

HERE = Path(__file__).parent


def make(folder: Path) -> None:
    """Run the folder's scene and keep what it leaves."""
    commit = folder.name.rpartition("-")[2]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        old = work / "old"
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(old, filter="data")
        server = RedisServer(work)
        server.start()
        try:
            database = work / "deals.db"
            left = [str(folder / name) for name in ("cursors.json", "statements.json")]
            subprocess.run(
                [sys.executable, str(folder / "scene.py"), str(database), server.url, *left],
                cwd=old,
                env={**os.environ, "PYTHONPATH": str(old), "PYTHONSAFEPATH": "1"},
                check=True,
            )
            with redis.Redis.from_url(server.url) as client:
                found = json.dumps(dump_redis(client), indent=1, sort_keys=True)
        finally:
            server.stop()
        (folder / "redis.json").write_text(found + "\n", encoding="utf-8")
        with sqlite3.connect(database) as connection:
            (folder / "deals.sql").write_text("\n".join(connection.iterdump()) + "\n", encoding="utf-8")


def dump_redis(client: redis.Redis) -> dict[str, Any]:
    """Every key's type, milliseconds to live, value; bytes as the letters of Latin-1, which lose nothing."""
    seconds, _ = client.time()
    names: list[Any] = client.keys()
    keys = {text(key): _dump(client, key) for key in sorted(names)}
    return {"taken_at": seconds, "keys": keys}


def _dump(client: redis.Redis, key: bytes) -> dict[str, Any]:
    kind, left = text(client.type(key)), client.pttl(key)
    match kind:
        case "string":
            value: Any = text(client.get(key))
        case "hash":
            value = {text(name): text(item) for name, item in sorted(client.hgetall(key).items())}
        case "list":
            value = [text(item) for item in client.lrange(key, 0, -1)]
        case "set":
            value = sorted(text(item) for item in client.smembers(key))
        case "zset":
            scored: list[Any] = client.zrange(key, 0, -1, withscores=True)
            value = [[text(item), score] for item, score in scored]
        case _:
            raise ValueError(f"{text(key)} is a {kind}, which no dump knows")
    return {"type": kind, "ttl_ms": left if left >= 0 else None, "value": value}


def text(value: Any) -> str:
    return bytes(value).decode("latin-1")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.upgrade.make", description=__doc__)
    parser.add_argument("folder", help="such as 2026-11-30-4f9532b")
    make(HERE / parser.parse_args().folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
