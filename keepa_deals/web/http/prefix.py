"""The prefix under which a proxy offers the dashboard: ``X-Forwarded-Prefix``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_PREFIX = 200
_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")


class Prefix:
    """Lets every address of the application begin with the prefix that the proxy has taken off.

    Of a list the first entry counts that one of our ``proxies`` can have made: often only one of them makes
    any. A prefix only names a path of this host; what is none (``//elsewhere``) is ignored.
    """

    def __init__(self, application: WSGIApplication, proxies: int) -> None:
        self._application = application
        self._proxies = proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        stated = environ.get("HTTP_X_FORWARDED_PREFIX", "").split(",")[-self._proxies :]
        if prefix := clean(stated[0].strip()):
            environ["SCRIPT_NAME"] = prefix
        return self._application(environ, start_response)


def clean(stated: str) -> str:
    """The prefix without a slash at its end; empty for none, and for what is no path of ours."""
    path = stated.removesuffix("/")
    if not path.startswith("/") or len(path) > MAX_PREFIX:
        return ""
    return path if all(_SEGMENT.fullmatch(segment) for segment in path[1:].split("/")) else ""
