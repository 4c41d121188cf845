"""The lists of packages: what is installed is exactly what they name, by sums and with no address."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME, EVERYTHING = "requirements.txt", "constraints.txt"
MEND = "run: make pins"


def pins(name: str) -> dict[str, tuple[Requirement, frozenset[str]]]:
    """Each package of a list by its name: the pin, and the sums of its files."""
    entries = re.split(r"\n(?! )", (ROOT / name).read_text(encoding="utf-8").strip())
    found = {}
    for entry in entries:
        pin, *sums = (part.strip() for part in re.split(r"\\\n|(?=--hash=)", entry) if part.strip())
        requirement = Requirement(pin)
        found[canonicalize_name(requirement.name)] = (
            requirement,
            frozenset(part.removeprefix("--hash=") for part in sums),
        )
    return found


def wanted(*extras: str) -> list[Requirement]:
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("name", [RUNTIME, EVERYTHING])
def test_every_package_is_pinned_with_the_sums_of_its_files_and_no_address(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")
    for package, (requirement, sums) in pins(name).items():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], f"{package}: {MEND}"
        assert sums, f"{package} has no sum: {MEND}"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", sum_) for sum_ in sums), package


@pytest.mark.parametrize(
    ("name", "extras"), [(RUNTIME, ()), (EVERYTHING, tuple(PROJECT["project"]["optional-dependencies"]))]
)
def test_what_the_project_needs_is_pinned_to_a_version_that_it_takes(
    name: str, extras: tuple[str, ...]
) -> None:
    known = pins(name)
    for requirement in wanted(*extras):
        package = canonicalize_name(requirement.name)
        assert package in known, f"{package} is not in {name}: {MEND}"
        (specifier,) = known[package][0].specifier
        assert requirement.specifier.contains(specifier.version), f"{requirement} in {name}: {MEND}"


def test_the_service_runs_on_the_same_versions_as_the_tests() -> None:
    everything = pins(EVERYTHING)
    for package, (requirement, sums) in pins(RUNTIME).items():
        assert package in everything, f"{package}: {MEND}"
        assert (requirement.specifier, sums) == (everything[package][0].specifier, everything[package][1]), (
            MEND
        )


def test_the_service_needs_none_of_the_tests_packages() -> None:
    assert not {"pytest", "mypy", "hypothesis", "playwright"} & set(pins(RUNTIME))
