"""What passes as a message of ours, and that nothing else does, whatever it is."""

from __future__ import annotations

import base64
import inspect
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepa_deals.worker.messages import UnusableMessageError, cleaned
from tests.support.examples import examples

TASK = "keepa_deals.simple_task.maintain"
ID = "58f4f8ae-2a33-4e4e-9a4f-5f1c8d4a2b11"


def _task() -> None:
    """Takes no arguments, as all of ours."""


def signature_of(name: str) -> inspect.Signature | None:
    return inspect.signature(_task) if name == TASK else None


def encoded(body: object) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


BODY = [[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def message(**changes: Any) -> dict[str, Any]:
    """As kombu and Celery write it; ``headers__id=…`` changes one header."""
    whole: dict[str, Any] = {
        "body": encoded(BODY),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py", "task": TASK, "id": ID, "shadow": None,
            "eta": None, "expires": "2026-11-30T12:01:00+00:00", "group": None, "retries": 0,
            "timelimit": [None, None],
            "root_id": ID, "parent_id": None, "argsrepr": "()",
            "kwargsrepr": "{}", "origin": "gen1@host", "ignore_result": True, "sent_at": 1_796_000_000_000,
        },
        "properties": {
            "correlation_id": ID, "delivery_mode": 2, "priority": 0,
            "delivery_info": {"exchange": "", "routing_key": "upsert"}, "body_encoding": "base64",
            "delivery_tag": "0a1b2c3d-2a33-4e4e-9a4f-5f1c8d4a2b11",
        },
    }  # fmt: skip
    for name, value in changes.items():
        part, _, field = name.replace("_dash_", "-").partition("__")
        if field:
            whole[part][field] = value
        else:
            whole[part] = value
    return whole


def test_a_message_of_ours_passes_with_what_it_says() -> None:
    passed = cleaned(message(), "upsert", signature_of)
    assert passed["headers"]["task"] == TASK
    assert passed["headers"]["expires"] == "2026-11-30T12:01:00+00:00"
    assert passed["headers"]["sent_at"] == 1_796_000_000_000
    assert json.loads(base64.b64decode(passed["body"])) == BODY
    assert passed["properties"]["delivery_info"]["routing_key"] == "upsert"


def test_what_a_message_says_beside_is_left_out() -> None:
    strange = message(
        headers__timelimit="soon", headers__retries=10**40, headers__stamps=[1], properties__priority=-9
    )
    passed = cleaned(strange, "upsert", signature_of)
    assert (passed["headers"]["timelimit"], passed["headers"]["retries"]) == ([None, None], 0)
    assert passed["properties"]["priority"] == 0


NONSENSE: dict[str, tuple[object, str]] = {
    "text": ("garbage", "the whole"),
    "nothing": (None, "the whole"),
    "a list": ([1, 2], "the whole"),
    "no headers": ({**message(), "headers": None}, "headers"),
    "headers of numbers": (message(headers=5), "headers"),
    "a task that is none": (message(headers__task="os.system"), "no task"),
    "a task of Celery's": (message(headers__task="celery.backend_cleanup"), "no task"),
    "a task as a list": (message(headers__task=[]), "headers.task"),
    "an id as an object": (message(headers__id={"a": 1}), "headers.id"),
    "an id with a line": (message(headers__id="a\nb"), "headers.id"),
    "a delay": (message(headers__eta="9999-12-31T23:59:59"), "headers.eta"),
    "an expiry that is no moment": (message(headers__expires="soon"), "expires"),
    "an expiry as a number": (message(headers__expires=1e999), "headers.expires"),
    "an expiry beyond calendars": (message(headers__expires="9999-12-31T23:59:59-23:59"), "expires"),
    "another serializer": (message(content_dash_type="application/x-python-serialize"), "content-type"),
    "another encoding": (message(content_dash_encoding="binary"), "content-encoding"),
    "no base64": (message(body="%%%"), "body"),
    "no JSON": (message(body=base64.b64encode(b"{").decode()), "body"),
    "a deep body": (message(body=base64.b64encode(b"[" * 3000).decode()), "body"),
    "a long body": (message(body="A" * 10_000), "body"),
    "arguments that it does not take": (message(body=encoded([[1], {}, {}])), "cannot be called so"),
    "names that it does not take": (message(body=encoded([[], {"who": 1}, {}])), "cannot be called so"),
    "a chain": (message(body=encoded([[], {}, {"chain": [{"task": "x"}]}])), "body"),
    "no delivery tag": (message(properties__delivery_tag=None), "delivery_tag"),
}


@pytest.mark.parametrize(("raw", "words"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_in_one_line_that_names_its_place(raw: object, words: str) -> None:
    with pytest.raises(UnusableMessageError) as error:
        cleaned(raw, "upsert", signature_of)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
places = st.sampled_from(
    ["body", "content-type", "content-encoding", "headers", "properties"]
    + [f"headers__{name}" for name in message()["headers"]]
    + [f"properties__{name}" for name in message()["properties"]]
)


@settings(deadline=None, max_examples=examples(500))
@given(anything)
def test_whatever_it_is_it_passes_clean_or_is_refused(raw: object) -> None:
    _passes_or_is_refused(raw)


@settings(deadline=None, max_examples=examples(500))
@given(st.dictionaries(places, anything, min_size=1, max_size=4))
def test_a_message_with_anything_in_any_place_passes_clean_or_is_refused(changes: dict[str, Any]) -> None:
    whole = message()
    for place, value in sorted(changes.items()):
        part, _, field = place.partition("__")
        if field and isinstance(whole[part], dict):
            whole[part][field] = value
        elif not field:
            whole[part] = value
    _passes_or_is_refused(whole)


def _passes_or_is_refused(raw: object) -> None:
    try:
        passed = cleaned(raw, "upsert", signature_of)
    except UnusableMessageError:
        return
    assert passed["headers"]["task"] == TASK
    assert json.loads(base64.b64decode(passed["body"])) == BODY
    assert passed["headers"]["eta"] is None
    json.dumps(passed, allow_nan=False)
