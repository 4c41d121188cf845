"""The door for worlds: whatever a world file does wrong is one line that names the file and the fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import freshness_simulation
from tests.support.paths import ROOT
from tests.support.worlds.door import CheckedWorld, WorldError, load, open_world

CASE = {"deals": 3, "rate": 5, "hours": 1.0, "seed": 1, "options": {}}


class Said:
    """A world that says what it was told to say."""

    def __init__(self, answer: Any = (200, {}), listed: Any = None, family: Any = "F") -> None:
        self._answer, self._listed, self._family = answer, listed or {}, family

    def answer(self, method: str, url: str, body: bytes | str | None) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def listed(self, at: float) -> Any:
        return self._listed

    def family(self, asin: str) -> Any:
        return self._family


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "theirs.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1", "has no create(now, *, deals, rate, hours, seed, options)"),
        ("create = 5", "has no create("),
        ("def create(:", "SyntaxError"),
        ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_a_file_without_a_usable_create_is_named_with_its_fault(
    tmp_path: Path, text: str, fault: str
) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(WorldError) as error:
        load(path)
    assert str(path) in str(error.value)
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"nowhere\.py: there is no such world file"):
        load(tmp_path / "nowhere.py")


def test_a_world_may_import_its_neighbours_and_make_dataclasses(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_a_world.py").write_text("PRICE = 7\n", encoding="utf-8")
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from neighbour_of_a_world import PRICE\n@dataclass\nclass W:\n    now: object\n"
        "    def answer(self, m, u, b): return 200, {}\n    def listed(self, at): return {'A': PRICE}\n"
        "    def family(self, a): return a\n"
        "def create(now, *, deals, rate, hours, seed, options): return W(now)\n"
    )
    world = open_world(load(_file(tmp_path, text)), "theirs.py", lambda: 0.0, **CASE)
    assert world.listed(0.0) == {"A": 7}


def test_what_create_raises_and_returns_is_checked() -> None:
    def refuses(now: Any, **case: Any) -> Any:
        raise ValueError("no option colour")

    with pytest.raises(WorldError, match=r"^w: create\(\) raised ValueError: no option colour$"):
        open_world(refuses, "w", lambda: 0.0, **CASE)
    with pytest.raises(WorldError, match=r"^w: what create\(\) returned has no answer\(\)$"):
        open_world(lambda now, **case: object(), "w", lambda: 0.0, **CASE)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "told",
    [None, 200, (200,), ("200", {}), (20, {}), (True, {}), (200, {}, "headers"), (200, [1]), (200, None)],
)
def test_an_answer_that_is_none_is_refused(told: object) -> None:
    with pytest.raises(WorldError, match=r"^w: answer\(\) must return"):
        CheckedWorld(Said(answer=told), "w").answer("GET", "http://keepa/token", None)


def test_an_object_that_is_no_json_is_refused() -> None:
    world = CheckedWorld(Said(answer=(200, {"deals": {1, 2}})), "w")
    with pytest.raises(WorldError, match="no JSON"):
        world.content(world.answer("GET", "http://keepa/token", None))


def test_html_headers_and_the_time_of_an_answer_are_understood() -> None:
    answer = (429, "<html>", {"Retry-After": 7, "Simulated-Seconds": 3})
    world = CheckedWorld(Said(answer=answer), "w")
    found = world.answer("GET", "http://keepa/token", None)
    assert (found.status, found.body, world.content(found), found.seconds) == (429, None, b"<html>", 3.0)
    assert found.headers == {"Content-Type": "text/html", "Retry-After": "7"}


def test_an_error_within_an_answer_names_its_place() -> None:
    with pytest.raises(WorldError, match=r"answer\(\) raised KeyError: 'x' \(test_door\.py, line \d+\)"):
        CheckedWorld(Said(answer=KeyError("x")), "w").answer("GET", "http://keepa/token", None)


@pytest.mark.parametrize("lost", [TimeoutError(), ConnectionResetError()])
def test_a_lost_answer_is_one_of_keepas_ways_and_passes_the_door(lost: Exception) -> None:
    with pytest.raises(type(lost)):
        CheckedWorld(Said(answer=lost), "w").answer("GET", "http://keepa/token", None)


@pytest.mark.parametrize("listed", [["A"], {"A": 1.5}, {"A": True}, {1: 5}, {"A": None}])
def test_a_list_that_is_no_mapping_of_asins_to_cents_is_refused(listed: object) -> None:
    with pytest.raises(WorldError, match=r"^w: listed\(\) must return a mapping of ASINs to integers"):
        CheckedWorld(Said(listed=listed), "w").listed(0.0)


def test_a_family_without_a_name_is_refused() -> None:
    with pytest.raises(WorldError, match=r"^w: family\(\) must return a text, not None"):
        CheckedWorld(Said(family=None), "w").family("A")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--cases", "450x5"], "'450x5' is no case: DEALS@TOKENS-A-MINUTE[:HOURS], such as 450@5:8"),
        (["--cases", "450@0"], "'450@0': deals and tokens are at least 1"),
        (["--option", "repriced"], "--option repriced: NAME=VALUE is meant"),
        (["--world", "nowhere.py"], "nowhere.py: there is no such world file"),
        (["--selection", "nowhere.json"], "nowhere.json"),
        (["--weird"], "unrecognized arguments: --weird"),
    ],
)
def test_the_command_says_in_one_line_what_it_cannot_use(
    arguments: list[str], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["freshness_simulation", "--json", *arguments])
    with pytest.raises(SystemExit, match="2"):
        freshness_simulation.main()
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert line in told.err


def test_a_world_that_talks_nonsense_in_the_middle_ends_the_command_with_one_line(tmp_path: Path) -> None:
    text = (
        "class W:\n"
        "    def answer(self, m, u, b): return 503, '<html>'\n"
        "    def listed(self, at): return {'A': 'cheap'}\n"
        "    def family(self, a): return a\n"
        "def create(now, **case): return W()\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.freshness_simulation", "--json", "--cases", "3@5:0.1",
         "--world", str(_file(tmp_path, text))],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert found.returncode == 2
    assert found.stdout == ""
    assert "listed() must return a mapping of ASINs to integers, not {'A': 'cheap'}" in found.stderr
