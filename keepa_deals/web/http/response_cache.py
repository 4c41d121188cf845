"""Answers kept for a second: many readers of one view cost what one does.

A page says as of when it is, so a second is no lie. What differs by reader is left out of what is kept:
the token of its forms is put in when the answer leaves.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, current_app, g, request

from keepa_deals.web.http.methods import READ_ONLY_METHODS

SECONDS = "ANSWERS_KEPT_SECONDS"
"""The setting of the application; 0, the default, keeps nothing."""
KEPT_SECONDS = 1.0
MAX_RENEWAL = 10.0
"""How old an answer may get while one reader renews it: a slow moment must not make everybody ask at once."""
MAX_BYTES = 32 << 20
OVERHEAD = 1000
"""Bytes that an answer takes up beside its text and its key."""
PLACEHOLDER = secrets.token_hex(16)
"""Stands for the token in a kept page; nobody outside this process knows it, so no title can hold it."""
_VIEWS = frozenset({"list_page.deals", "api.deals"})

Key = tuple[str, bytes, str]
"""Address with its prefix, query string, and who asks."""


@dataclass(slots=True)
class _Kept:
    body: bytes
    content_type: str
    at: float
    bytes: int
    """All that it takes up, its key included."""
    renewing: bool = False


class Answers:
    """The answers of the last second. While one reader renews an answer, the others get the old one."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Key, seconds: float) -> _Kept | None:
        """What was answered within ``seconds``, or a little before while somebody asks anew."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            age = self._monotonic() - kept.at
            if age <= seconds or (kept.renewing and age <= MAX_RENEWAL):
                return kept
            kept.renewing = True
            return None

    def put(self, key: Key, body: bytes, content_type: str) -> None:
        with self._lock:
            self._forget(key)
            path, query, reader = key
            size = len(body) + len(path) + len(query) + len(reader) + OVERHEAD
            self._kept[key] = _Kept(body, content_type, self._monotonic(), size)
            self._bytes += size
            self._forget_the_old()

    def give_up(self, key: Key) -> None:
        """The renewal failed: the next reader tries."""
        with self._lock:
            self._forget(key)

    def clear(self) -> None:
        """After a change that its author wants to see."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _forget_the_old(self) -> None:
        """Those that nobody may get any more, and the oldest ones where there are too many."""
        oldest = self._monotonic() - MAX_RENEWAL
        for key, kept in list(itertools.islice(self._kept.items(), 64)):  # in the order in which they came
            if kept.at >= oldest:
                break
            self._forget(key)
        while self._bytes > MAX_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._bytes -= old.bytes


def configure(app: Flask, *, reader: Callable[[], str], form_token: Callable[[], str]) -> None:
    """Keep answers apart by ``reader`` (who asks); ``form_token`` makes the token of one answer's forms."""
    app.config.setdefault(SECONDS, 0)
    answers = Answers()

    def token() -> str:
        """The token, or what stands for it until the page leaves."""
        return PLACEHOLDER if "answer_key" in g else form_token()

    app.before_request(lambda: _answer_at_once(answers, reader, form_token))
    app.after_request(lambda response: _keep(answers, response, form_token))
    app.jinja_env.globals["csrf_token"] = token
    app.context_processor(lambda: {"csrf_token": token})


def _answer_at_once(
    answers: Answers, reader: Callable[[], str], form_token: Callable[[], str]
) -> Response | None:
    seconds = current_app.config[SECONDS]
    if not seconds or request.method != "GET" or request.endpoint not in _VIEWS:
        return None
    key = (request.script_root + request.path, request.query_string, reader())
    kept = answers.get(key, seconds)
    if kept is None:
        g.answer_key = key
        return None
    return _for_this_reader(Response(kept.body, content_type=kept.content_type), form_token)


def _keep(answers: Answers, response: Response, form_token: Callable[[], str]) -> Response:
    if request.method not in READ_ONLY_METHODS and response.status_code < 400:  # a refusal changed nothing
        answers.clear()
    key = g.pop("answer_key", None)
    if key is None:
        return response
    if response.status_code == 200 and not response.is_streamed:
        answers.put(key, response.get_data(), response.content_type)
    else:
        answers.give_up(key)
    return _for_this_reader(response, form_token)


def _for_this_reader(response: Response, form_token: Callable[[], str]) -> Response:
    body = response.get_data()
    if PLACEHOLDER.encode() in body:
        g.one_of_a_kind = True  # a mask of its own: no ETag can ever match
        response.set_data(body.replace(PLACEHOLDER.encode(), form_token().encode()))
    return response
