"""What the tasks import when they run is loaded at a worker's start: ``git pull`` comes before a deploy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keepa_deals import backfiller, celery_app, simple_task

LATE = re.compile(r"^ {4,}from keepa_deals\.(\S+) import", re.MULTILINE)


@pytest.mark.parametrize("file", [backfiller.__file__, celery_app.__file__, simple_task.__file__])
def test_a_module_that_a_task_imports_is_loaded_at_the_start(file: str) -> None:
    late = set(LATE.findall(Path(file).read_text("utf-8"))) - {"ingest.run"}  # comes with the others
    assert late
    assert late <= set(celery_app._WORK)
