"""Answers of Keepa that nobody understands, kept for a bug report: the newest ten, in the log directory.

One file a kind of strangeness, so that what recurs every minute does not push out the rest. A file begins
with lines ``name: value`` that say what it is; after an empty line the answer follows as it came, without
secrets (``keepa_deals.redaction`` knows them). Only its owner may read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keepa_deals import atomic_file
from keepa_deals.clock import Clock, SystemClock
from keepa_deals.keepa.notices import StrangeAnswer
from keepa_deals.redaction import redact_addresses

log = logging.getLogger(__name__)

FOLDER = "answers"
"""In the log directory."""
MAX_FILES = 10
MAX_BYTES = 2 * 1024 * 1024
"""Of one answer: a page of deals has half a megabyte."""
SAID_AGAIN_AFTER = 3600.0
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One kept file: when its answer came, of which call, and what is wrong with it."""

    path: Path
    at: datetime
    call: str
    reason: str


class KeptAnswers:
    """Keeps strange answers below ``log_dir``; a disk that refuses costs the copy and nothing else."""

    def __init__(self, log_dir: Path, clock: Clock | None = None) -> None:
        self._folder = log_dir / FOLDER
        self._clock = clock or SystemClock()
        self._said: dict[str, float] = {}

    def keep(self, answer: StrangeAnswer) -> None:
        """Write ``answer`` in the place of an older one of its kind, and drop all but the newest."""
        name = _name(answer)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self._folder / name, answer)
            self._prune()
        except OSError as error:
            log.warning("an answer of Keepa that nobody understands is not kept: %s", error.strerror)
            return
        now = self._clock.monotonic()
        if now - self._said.get(name, -SAID_AGAIN_AFTER) >= SAID_AGAIN_AFTER:
            self._said[name] = now
            where = f"{FOLDER}/{name} in the log directory"
            reason = redact_addresses(answer.reason)
            log.warning("Keepa %s: %s; kept for a bug report: %s", answer.call, reason, where)

    def _write(self, path: Path, answer: StrangeAnswer) -> None:
        body = answer.body[:MAX_BYTES]
        cut = "" if len(body) == len(answer.body) else f"cut: {len(answer.body)} bytes came\n"
        status = "" if answer.status is None else f"status: {answer.status}\n"
        head = f"at: {self._clock.now().isoformat()}\ncall: {answer.call}\n{status}{cut}"
        head += f"reason: {' '.join(answer.reason.split())}\n\n"
        # Latin-1 maps every byte to a letter and back: what is no UTF-8 stays as it came.
        text = redact_addresses((head.encode() + body).decode("latin-1")).encode("latin-1")
        atomic_file.write(path, text)

    def _prune(self) -> None:
        for path in _newest_first(self._folder)[MAX_FILES:]:
            path.unlink(missing_ok=True)


def kept_answers(log_dir: Path) -> tuple[KeptAnswer, ...]:
    """What is kept, the newest first; ``OSError`` when the folder cannot be read."""
    answers = (_read(path) for path in _newest_first(log_dir / FOLDER))
    return tuple(kept for kept in answers if kept is not None)


def _read(path: Path) -> KeptAnswer | None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8", errors="replace").partition("\n\n")[0]
    except FileNotFoundError:
        return None  # pruned meanwhile
    told = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    try:
        at = datetime.fromisoformat(told["at"])
        return KeptAnswer(path, at.astimezone(UTC), told["call"], told["reason"])
    except (KeyError, ValueError):
        return None


def _newest_first(folder: Path) -> list[Path]:
    dated = []
    for path in folder.glob("*.txt"):
        with contextlib.suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(dated, reverse=True)]


def _name(answer: StrangeAnswer) -> str:
    call = re.sub(r"[^a-z]", "", answer.call) or "call"
    digest = hashlib.sha256(f"{answer.call}|{answer.subject}|{answer.status}".encode()).hexdigest()[:8]
    return f"{call}-{digest}.txt"
