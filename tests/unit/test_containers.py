"""The image and the services of ``compose.yaml``: what they call is there, and nothing in them is secret."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from keepa_deals.ops import program
from keepa_deals.settings import SECRET_SETTINGS, Settings
from tests.support.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROGRAMS = {name: one for name, one in SERVICES.items() if one["image"] == "keepa-deals"}
IMAGE = (ROOT / "Containerfile").read_text("utf-8")
PAGE = (ROOT / "docs" / "containers.md").read_text("utf-8")


def test_there_is_a_service_for_each_program_and_for_the_migration() -> None:
    assert {name: one["command"] for name, one in PROGRAMS.items()} == {
        name: ["run", name] for name in (*program.NAMES, program.MIGRATE)
    }


@pytest.mark.parametrize("name", program.NAMES)
def test_a_program_waits_for_the_migration_and_is_looked_at(name: str) -> None:
    service = PROGRAMS[name]
    assert service["depends_on"] == {program.MIGRATE: {"condition": "service_completed_successfully"}}
    assert service["healthcheck"]["test"] == ["CMD", "keepa-deals", "run", "--check", name]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_no_right_and_writes_into_its_home_alone(name: str) -> None:
    service = PROGRAMS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    mounted = [entry.partition(":") for entry in (*service["tmpfs"], *service.get("volumes", []))]
    assert any("/var/lib/keepa_deals" in (head, rest.partition(":")[0]) for head, _, rest in mounted)


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_a_file_and_what_a_variable_says_is_a_setting(name: str) -> None:
    service = SERVICES[name]
    for variable, value in service.get("environment", {}).items():
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]
            assert name not in PROGRAMS or variable.removesuffix("_FILE").lower() in SECRET_SETTINGS
        else:
            assert name not in PROGRAMS or variable.lower() in Settings.model_fields.keys() - SECRET_SETTINGS


def test_every_secret_is_a_file_that_the_page_tells_of_and_that_git_ignores() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == COMPOSE["secrets"].keys()
    assert all(one["file"] == f"secrets/{name}" for name, one in COMPOSE["secrets"].items())
    assert all(f"| `{name}` |" in PAGE for name in used)
    assert "/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_the_stores_are_ready_before_the_tables_are_made() -> None:
    stores = {name for name in SERVICES if name not in PROGRAMS}
    assert PROGRAMS["migrate"]["depends_on"] == {name: {"condition": "service_healthy"} for name in stores}
    assert all("healthcheck" in SERVICES[name] for name in stores)


def test_a_store_keeps_what_it_has_in_a_volume() -> None:
    assert all(SERVICES[name]["volumes"] for name in SERVICES if name not in PROGRAMS)
    assert "noeviction" in SERVICES["redis"]["command"][-1]


def test_the_image_is_made_of_packages_with_sums_on_a_base_of_one_s_choice_for_a_plain_user() -> None:
    assert IMAGE.count("FROM ${BASE}") == 2
    assert "--require-hashes -r requirements.txt" in IMAGE
    assert re.findall(r"^USER (.+)$", IMAGE, re.MULTILINE) == ["10001:10001"]
    assert 'ENTRYPOINT ["keepa-deals"]' in IMAGE


def test_what_goes_into_the_image_is_named_and_there() -> None:
    """No ``.env``, no home, no history: what is not named stays out."""
    lines = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    named = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert "*" in lines
    assert all((ROOT / name).exists() for name in named)
    copied = {
        name
        for line in re.findall(r"^COPY ((?!--from)[^\n]+)$", IMAGE, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert copied == set(named) - {"Containerfile"}


def test_the_home_of_the_service_is_not_the_user_s_own_folder() -> None:
    """Which is refused as a home: it may hold other things. Then no program would start."""
    variables = dict(re.findall(r"^(?:ENV)?\s+([A-Z_]+)=(\S+)", IMAGE, re.MULTILINE))
    assert variables["KEEPA_DEALS_HOME"] not in (variables["HOME"], "")
