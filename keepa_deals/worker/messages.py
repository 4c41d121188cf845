"""What a message in one of our queues must be, and its cleaned copy: everything else is none of ours.

Whoever can write into Redis can put anything into a queue. Celery puts back a message over which its worker
crashes, so that one of them ends worker after worker. Only what is built here from checked parts reaches it.
"""

from __future__ import annotations

import base64
import binascii
import inspect
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

Signature = Callable[[str], inspect.Signature | None]
"""The parameters of the task with a name; ``None`` when there is no such task."""

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@:-]{1,200}$")]
MAX_BODY = 4096
"""Characters: our tasks take no arguments, and an empty body has some hundred."""
_NO_MORE = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class UnusableMessageError(ValueError):
    """A message that is none of ours; the text says why, in one short line."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Headers(_Part):
    """Celery docs: Message Protocol, version 2. Nothing of ours is delayed, so ``eta`` must be empty."""

    task: _Name
    id: _Name
    eta: None = None
    expires: Annotated[str, StringConstraints(max_length=40)] | None = None
    root_id: _Name | None = None
    parent_id: _Name | None = None
    sent_at: Annotated[int, Field(ge=0, le=4_102_444_800_000)] | None = None


class _Properties(_Part):
    delivery_tag: _Name
    body_encoding: Literal["base64"]


class _Message(_Part):
    body: Annotated[str, StringConstraints(max_length=MAX_BODY)]
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties


def cleaned(raw: object, queue: str, signature_of: Signature) -> dict[str, Any]:
    """The message again, from nothing but its checked parts; an ``UnusableMessageError`` when it is none."""
    try:
        message = _Message.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise UnusableMessageError(f"{where}: {first['msg']}") from None
    headers = message.headers
    args, kwargs = _arguments(message.body)
    _check_call(headers.task, args, kwargs, signature_of)
    _check_moment(headers.expires)
    return {
        "body": _encoded([args, kwargs, _NO_MORE]),
        "content-type": message.content_type,
        "content-encoding": message.content_encoding,
        "headers": _headers(headers, args, kwargs),
        "properties": {
            "correlation_id": headers.id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": message.properties.body_encoding,
            "delivery_tag": message.properties.delivery_tag,
        },
    }


def _headers(headers: _Headers, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {
        "lang": "py",
        "task": headers.task,
        "id": headers.id,
        "root_id": headers.root_id or headers.id,
        "parent_id": headers.parent_id,
        "group": None,
        "eta": None,
        "expires": headers.expires,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": repr(tuple(args)),
        "kwargsrepr": repr(kwargs),
        "ignore_result": True,
        "sent_at": headers.sent_at,
    }


def _arguments(body: str) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the call; callbacks, chains and the like must be empty."""
    try:
        decoded = json.loads(base64.b64decode(body, validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise UnusableMessageError("body: no JSON in base64") from None
    match decoded:
        case [list(args), dict(kwargs), dict(embed)] if not any(embed.values()):
            return args, kwargs
    raise UnusableMessageError("body: not the arguments of a call, or more than that")


def _check_call(name: str, args: list[Any], kwargs: Mapping[str, Any], signature_of: Signature) -> None:
    signature = signature_of(name)
    if signature is None:
        raise UnusableMessageError(f"headers.task: there is no task {name!r:.80}")
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise UnusableMessageError(f"body: {name} cannot be called so: {error}") from None


def _check_moment(text: str | None) -> None:
    try:
        if text is not None and datetime.fromisoformat(text).year < 3000:
            return
    except ValueError:
        text = text or "?"
    if text is not None:
        raise UnusableMessageError(f"headers.expires: {text!r} is no moment")


def _encoded(body: object) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()
