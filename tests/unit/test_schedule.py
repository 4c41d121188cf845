"""The order in which a run's files are taken, and the tests that share a deployment, by names that exist."""

from __future__ import annotations

import pytest

from tests.support.paths import ROOT
from tests.support.schedule import AROUND_ONE_DEPLOYMENT, PARTS, TESTS


def test_every_folder_of_tests_has_its_place_in_the_order() -> None:
    folders = {file.relative_to(TESTS).parts[0] for file in TESTS.rglob("test_*.py")}
    assert folders == set(PARTS)


@pytest.mark.parametrize("prefix", AROUND_ONE_DEPLOYMENT)
def test_what_shares_a_deployment_exists_under_that_name(prefix: str) -> None:
    file, _, name = prefix.partition("::")
    assert (ROOT / file).exists()
    assert not name or f"def {name}(deployment" in (ROOT / file).read_text(encoding="utf-8")
