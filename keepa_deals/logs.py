"""Logging for the service's processes: one line an event, UTC, and no secret in any of them."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterable

_QUERY_KEY = re.compile(r"([?&]key=)[^&\s\"']+")
_URL_PASSWORD = re.compile(r"(\w[\w+.-]{0,30}://[^\s:/@]{0,200}:)[^\s@]{1,500}@")
"""Bounded, or a long text without a blank would take the square of its length."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without the given secrets, without ``key=…`` of a query and without passwords of URLs."""
    for secret in secrets:
        text = text.replace(secret, "[key]")
    return _URL_PASSWORD.sub(r"\1[password]@", _QUERY_KEY.sub(r"\1[key]", text))


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, and removes secrets from the result."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)sZ %(levelname)-7s %(process)d %(name)s: %(message)s")
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)


def configure(secrets: Iterable[str] = (), level: int = logging.INFO) -> None:
    """Log to standard error, which the supervisor writes to rotated files."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
