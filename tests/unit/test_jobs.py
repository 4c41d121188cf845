"""The registry of jobs: what it says is so, and nobody else says it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from keepa_deals.jobs import FEEDING_JOBS, JOBS, QUEUES, WORKERS, Job, job_of
from tests.support.paths import ROOT

SOURCES = [ROOT / "celeryconfig.py", *sorted((ROOT / "keepa_deals").rglob("*.py"))]


def texts_in(path: Path) -> Iterator[str]:
    """The texts that a source's code is made of, without its docstrings' prose."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_a_jobs_task_is_the_function_of_that_name(job: Job) -> None:
    module = ROOT.joinpath(*job.task.split(".")[:-1]).with_suffix(".py")
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert job.function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_other_source_names_a_task_a_lock_or_a_worker() -> None:
    names = {*(job.task for job in JOBS.values()), *(job.lock for job in JOBS.values()), *WORKERS}
    names |= {job.name for job in FEEDING_JOBS}
    writers = {path.name for path in SOURCES if names & set(texts_in(path))}
    assert writers == {"jobs.py"}


def test_a_lock_tells_its_job() -> None:
    assert [job_of(job.lock) for job in JOBS.values()] == list(JOBS)


def test_names_are_given_once() -> None:
    assert len({job.task for job in JOBS.values()}) == len({job.lock for job in JOBS.values()}) == len(JOBS)
    assert {job.queue for job in JOBS.values()} == set(QUEUES)
