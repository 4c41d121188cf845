"""The OpenAPI description is complete and true: Schemathesis asks what it allows, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from keepa_deals.settings import Settings
from keepa_deals.web.api.openapi import describe
from keepa_deals.web.app import create_app
from keepa_deals.web.services import EXTENSION
from tests.support.deal_rows import fill_deals
from tests.support.nightly import amount
from tests.support.people import People
from tests.support.world import START, World, make_world

load_all_checks()
WANTED = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_schema_conformance", "response_headers_conformance"),
    *("negative_data_rejection", "unsupported_method"),
)
EXAMPLES = amount(20, at_night=60)
PATHS = sorted(describe()["paths"])
WITH_PARAMETERS = {path: bool(item["get"].get("parameters")) for path, item in describe()["paths"].items()}
MODES = [(path, mode) for path in PATHS for mode in GenerationMode]
MODES = [(path, mode) for path, mode in MODES if mode.is_positive or WITH_PARAMETERS[path]]
"""Where nothing can be given, nothing can be wrong."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("contract") / "deals.db")
    fill_deals(world.database.engine, 60, START)
    yield world
    world.database.close()


@pytest.fixture(scope="module")
def app(world: World) -> Iterator[Flask]:
    home = Path(world.database.engine.url.database or "").parent
    People(home).set_password("correct horse battery")
    app = create_app(
        Settings(
            _env_file=None,  # type: ignore[call-arg]
            keepa_api_key="k" * 64,  # type: ignore[arg-type]
            keepa_deals_home=home,
            redis_url=f"unix://{home}/none.sock",  # type: ignore[arg-type]
        ),
        clock=world.clock,
    )
    yield app
    app.extensions[EXTENSION].engine.dispose()


@pytest.fixture(scope="module")
def token(app: Flask) -> str:
    return People(app.extensions[EXTENSION].settings.keepa_deals_home).add_token("tests", START)


@pytest.fixture(scope="module")
def description(app: Flask, token: str) -> schemathesis.BaseSchema:
    bearer = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    return schemathesis.openapi.from_wsgi("/api/openapi.json", app, headers=bearer)


def cases(description: schemathesis.BaseSchema, path: str, mode: GenerationMode) -> Any:
    """Cases of an operation that its description allows, or (negative) does not."""
    return description[path]["GET"].as_strategy(generation_mode=mode)


def each(strategy: Any, examples: int, check: Callable[[schemathesis.Case], None]) -> None:
    """``check`` on so many examples, the same ones every time."""
    options = settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    options(given(strategy)(check))()


@pytest.mark.parametrize(("path", "mode"), MODES)
def test_no_answer_is_undocumented_or_a_failure(
    description: schemathesis.BaseSchema, token: str, path: str, mode: GenerationMode
) -> None:
    wanted = WANTED[1:] if path == "/readyz" else WANTED  # its 503 is an answer, not a failure
    checks = [CHECKS.get_one(name) for name in wanted]
    bearer = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}

    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=bearer, checks=checks)

    each(cases(description, path, mode), EXAMPLES if WITH_PARAMETERS[path] else 1, check)


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_nothing_is_told(description: schemathesis.BaseSchema, path: str) -> None:
    def check(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": "Bearer wrong"})
        assert answer.status_code == (200 if path == "/healthz" else 503 if path == "/readyz" else 401)
        assert "Category" not in answer.text

    each(cases(description, path, GenerationMode.POSITIVE), 3, check)
