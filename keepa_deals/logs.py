"""Logging for the service's processes: one line an event, UTC, and no secret in any of them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable

from keepa_deals import redaction
from keepa_deals.redaction import redact_addresses as redact

__all__ = ["RedactingFormatter", "configure", "redact"]


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, and removes secrets from the result."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)-7s %(process)d %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure(secrets: Iterable[str] = (), level: int = logging.INFO) -> None:
    """Log to standard error, which the supervisor writes to rotated files; it and standard output pass none
    of the ``secrets``, nor those that the settings have."""
    redaction.learn(*secrets)
    redaction.guard_streams()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
