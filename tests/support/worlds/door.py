"""The door for worlds: loads the file that makes one, and checks what the world says.

A world file has ``create(now, *, deals, rate, hours, seed, options)``: ``now()`` gives the Unix seconds of
the simulated clock, ``rate`` is in tokens a minute, ``options`` holds texts by name. What it returns has

- ``answer(method, url, body)``: the HTTP status and the JSON object of one request, and headers as an
  optional third; a ``str`` or ``bytes`` instead of an object is sent as HTML. ``TimeoutError`` is an answer
  that never came, ``ConnectionError`` a connection that broke. The world keeps the account: it charges,
  refuses with 429, and writes the envelope. The header ``Simulated-Seconds`` says how long it takes.
- ``listed(at)``: ASIN and price in cents of everything that Keepa lists at a moment (Unix seconds). It is
  asked once a simulated minute, and for the moments of ends and announcements, at most a minute back.
- ``family(asin)``: the same text for an ASIN and its sibling variations.
- ``dated(at)``, optional: ASIN and ``creationDate`` (Keepa minutes) of the same deals. Needed to know which
  of the deals a plan that cannot keep all must show; without it the dates in the answers tell.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

TAKES = "Simulated-Seconds"


class WorldError(Exception):
    """A world that cannot be used: one line that names the file and what is wrong."""


class World(Protocol):
    """What ``create`` of a world file returns."""

    def answer(self, method: str, url: str, body: bytes | str | None) -> tuple[Any, ...]: ...

    def listed(self, at: float) -> Mapping[str, int]: ...

    def family(self, asin: str) -> str: ...


Create = Callable[..., World]


@dataclass(frozen=True)
class Answer:
    """One answer of a world; ``body`` is ``None`` when it is no JSON."""

    status: int
    body: Any
    text: bytes
    headers: Mapping[str, str]
    seconds: float = 0.0
    """How long it takes, of simulated time."""


class CheckedWorld:
    """A world whose every word is checked; a ``WorldError`` names ``source`` and what it said."""

    def __init__(self, world: object, source: str) -> None:
        self._source = source
        for name in ("answer", "listed", "family"):
            if not callable(getattr(world, name, None)):
                raise WorldError(f"{source}: what create() returned has no {name}()")
        self.inner: Any = world
        self._families: dict[str, str] = {}

    def answer(self, method: str, url: str, body: bytes | str | None) -> Answer:
        """One request's answer; lets ``TimeoutError`` and ``ConnectionError`` through."""
        try:
            found = self.inner.answer(method, url, body)
        except (TimeoutError, ConnectionError):
            raise
        except Exception as error:
            self._raised("answer()", error)
        if not isinstance(found, tuple | list) or len(found) not in (2, 3):
            self._nonsense("answer()", "(status, object) or (status, object, headers)", found)
        status, told, *rest = found
        headers = rest[0] if rest else {}
        if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
            self._nonsense("answer()", "an HTTP status", status)
        if not isinstance(headers, Mapping):
            self._nonsense("answer()", "headers as a mapping", headers)
        told_headers = {str(k): str(v) for k, v in headers.items()}
        try:
            takes = float(told_headers.pop(TAKES, 0))
        except ValueError:
            self._nonsense("answer()", f"a number of seconds in the header {TAKES}", headers)
        return self._packed(status, told, told_headers, takes)

    def _packed(self, status: int, told: object, headers: dict[str, str], takes: float) -> Answer:
        if isinstance(told, str | bytes):
            text = told.encode() if isinstance(told, str) else told
            return Answer(status, None, text, {"Content-Type": "text/html", **headers}, takes)
        if not isinstance(told, Mapping):
            self._nonsense("answer()", "an object or a text", told)
        return Answer(status, told, b"", {"Content-Type": "application/json", **headers}, takes)

    def content(self, answer: Answer) -> bytes:
        """An answer as it goes over the wire; made when it is asked for, because nobody reads some."""
        if answer.body is None:
            return answer.text
        try:
            return json.dumps(answer.body).encode()
        except (TypeError, ValueError) as error:
            raise WorldError(
                f"{self._source}: answer() returned an object that is no JSON: {error}"
            ) from None

    def listed(self, at: float) -> Mapping[str, int]:
        """What Keepa lists at a moment: ASIN and price."""
        return self._numbers("listed()", lambda: self.inner.listed(at))

    def dated(self, at: float) -> Mapping[str, int] | None:
        """The ``creationDate`` of each; ``None`` when the world does not tell."""
        if not callable(getattr(self.inner, "dated", None)):
            return None
        return self._numbers("dated()", lambda: self.inner.dated(at))

    def _numbers(self, name: str, ask: Callable[[], object]) -> Mapping[str, int]:
        try:
            found = ask()
        except Exception as error:
            self._raised(name, error)
        if not isinstance(found, Mapping):
            self._nonsense(name, "a mapping of ASINs to integers", found)
        for asin, value in found.items():
            if type(asin) is not str or type(value) is not int:
                self._nonsense(name, "a mapping of ASINs to integers", {asin: value})
        return found

    def family(self, asin: str) -> str:
        """The name that an ASIN shares with its siblings; asked once an ASIN."""
        name = self._families.get(asin)
        if name is None:
            try:
                name = self.inner.family(asin)
            except Exception as error:
                self._raised("family()", error)
            if not isinstance(name, str):
                self._nonsense("family()", "a text", name)
            self._families[asin] = name
        return name

    def _raised(self, name: str, error: Exception) -> NoReturn:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise WorldError(
            f"{self._source}: {name} raised {type(error).__name__}: {_line(error)} "
            f"({Path(frame.filename).name}, line {frame.lineno})"
        ) from error

    def _nonsense(self, name: str, wanted: str, found: object) -> NoReturn:
        raise WorldError(f"{self._source}: {name} must return {wanted}, not {_line(repr(found))}")


def load(path: Path) -> Create:
    """The ``create`` of a world file; a ``WorldError`` when there is none."""
    if not path.is_file():
        raise WorldError(f"{path}: there is no such world file")
    spec = importlib.util.spec_from_file_location(f"world_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise WorldError(f"{path}: a world is a Python file, its name ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise WorldError(f"{path}: cannot be loaded: {type(error).__name__}: {_line(error)}") from error
    finally:
        sys.path.pop(0)
    create = getattr(module, "create", None)
    if not callable(create):
        raise WorldError(f"{path}: has no create(now, *, deals, rate, hours, seed, options)")
    found: Create = create
    return found


def open_world(create: Create, source: str, now: Callable[[], float], **case: Any) -> CheckedWorld:
    """What ``create`` makes for a case; a ``WorldError`` when it raises or returns something else."""
    try:
        world = create(now, **case)
    except WorldError:
        raise
    except (Exception, SystemExit) as error:
        raise WorldError(f"{source}: create() raised {type(error).__name__}: {_line(error)}") from error
    return CheckedWorld(world, source)


def _line(text: object) -> str:
    """On one line, shortened."""
    return " ".join(str(text).split())[:200]
