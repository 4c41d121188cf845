"""What is written down of deploys: a line each in ``log/deploy.log``, never with a secret."""

from __future__ import annotations

import contextlib
import traceback

from keepa_deals.clock import SystemClock
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.log_files import DEPLOY_LOG
from keepa_deals.errors import KeepaDealsError
from keepa_deals.ops.deploy.plan import Plan
from keepa_deals.redaction import redact


def note(home: Home, outcome: str, plan: Plan | str, error: BaseException | None = None) -> None:
    """One line in ``deploy.log``; before it the place of an ``error`` that nobody foresaw."""
    lines = [f"{SystemClock().now():%Y-%m-%dT%H:%M:%SZ} {plan}: {outcome}"]
    if error is not None and not isinstance(error, (KeepaDealsError, KeyboardInterrupt)):
        where = redact("".join(traceback.format_exception(error))).splitlines()
        lines = [*(f"    {line}" for line in where), *lines]
    with contextlib.suppress(OSError), (home.log / DEPLOY_LOG).open("a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in lines)


def words_of(error: BaseException) -> str:
    """What went wrong, never empty and never with a secret."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    text = redact(str(error)).strip()
    if isinstance(error, KeepaDealsError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
