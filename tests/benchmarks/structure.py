"""The house in figures: ``python -m tests.benchmarks.structure [--ref COMMIT]…``.

One column a commit, or one of the working tree; Markdown, as in ``docs/architecture.md``. An import is one
in a function or under ``TYPE_CHECKING``, too.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

PACKAGE = "keepa_deals"
BLOCK = 6
"""Equal lines in a row that make a duplicate; blank lines, comments and imports are none."""
Graph = Mapping[str, set[str]]


class Function(NamedTuple):
    name: str
    lines: int


class Duplicate(NamedTuple):
    """A block of equal lines: where it begins in each of its two places, and how long it is."""

    first: str
    second: str
    lines: int


class Arrow(NamedTuple):
    """An import of a module on a higher floor, or of a neighbour that must not be known."""

    source: str
    target: str


@dataclass(frozen=True)
class Floors:
    """The contract of ``pyproject.toml``, the highest floor first."""

    layers: Sequence[str]

    @classmethod
    def of(cls, pyproject: Path) -> Floors | None:
        """``None`` where there is no such contract."""
        tools = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]
        for contract in tools.get("importlinter", {}).get("contracts", ()):
            if contract["id"] == "floors":
                return cls(contract["layers"])
        return None

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {
            room: number for number, layer in enumerate(self.layers) for room in re.findall(r"\w+", layer)
        }

    def knows(self, room: str) -> bool:
        return room in self._places

    def forbids(self, source: str, target: str) -> bool:
        """Whether a room may not import another one: rooms that no floor names may do everything."""
        below, above = self._places.get(source), self._places.get(target)
        if source == target or below is None or above is None:
            return False
        return above < below or (above == below and "|" in self.layers[below])


class House:
    """The modules of a source tree, by dotted name without the package's."""

    def __init__(self, root: Path) -> None:
        self.package = root / PACKAGE
        self.floors = Floors.of(root / "pyproject.toml")
        self.sources: dict[str, str] = {}
        for path in sorted(self.package.rglob("*.py")):
            parts = path.relative_to(self.package).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.sources[name] = path.read_text(encoding="utf-8")
        self.trees = {name: ast.parse(source) for name, source in self.sources.items()}
        self.packages = {
            ".".join(path.parent.relative_to(self.package).parts)
            for path in self.package.rglob("__init__.py")
        }

    # -- size ------------------------------------------------------------------------------------
    @cached_property
    def lines(self) -> int:
        return sum(source.count("\n") for source in self.sources.values())

    @cached_property
    def rooms(self) -> Mapping[str, tuple[int, int]]:
        """Files and lines of each child of the package that is a folder; ``.`` has the files beside them."""
        files, lines = Counter[str](), Counter[str]()
        for name, source in self.sources.items():
            room = name.partition(".")[0]
            room = room if room and room in self.packages else "."
            files[room] += 1
            lines[room] += source.count("\n")
        return {room: (files[room], lines[room]) for room, _ in lines.most_common()}

    @cached_property
    def functions(self) -> Sequence[Function]:
        """Functions and methods with their lines, without decorators; the shortest first."""
        found = [
            Function(f"{name}.{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
            for name, tree in self.trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        return sorted(found, key=lambda function: function.lines)

    # -- imports ---------------------------------------------------------------------------------
    @cached_property
    def imports(self) -> Graph:
        """The modules that each module imports; a package is its ``__init__``."""
        return {name: {m for m in self._imported(name) if m != name} for name in self.sources}

    def _imported(self, name: str) -> Iterator[str]:
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._module(alias.name)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(name, node)
                for alias in node.names:
                    yield from list(self._module(f"{origin}.{alias.name}")) or self._module(origin)

    def _origin(self, name: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = [PACKAGE, *name.split(".")] if name else [PACKAGE]
        above = node.level - (name in self.packages)
        return ".".join([*parts[: len(parts) - above], *([node.module] if node.module else [])])

    def _module(self, dotted: str) -> Iterator[str]:
        package, _, name = dotted.partition(".")
        if package == PACKAGE and name in self.sources:
            yield name

    @cached_property
    def circles_of_files(self) -> Sequence[Sequence[str]]:
        return circles(self.imports)

    @cached_property
    def circles_of_rooms(self) -> Sequence[Sequence[str]]:
        """Folders, and files beside them, whose contents import each other: in every folder of the house."""
        found: set[tuple[str, ...]] = set()
        for package in self.packages:
            siblings: dict[str, set[str]] = defaultdict(set)
            for name, targets in self.imports.items():
                source = child_of(package, name)
                for target in targets:
                    other = child_of(package, target)
                    if source and other and other != source:
                        siblings[source].add(other)
            found |= {tuple(c) for c in circles(siblings) if any(room in self.packages for room in c)}
        return sorted(found)

    def arrows_up(self, floors: Floors) -> Sequence[Arrow]:
        """The imports that the floors forbid, by file."""
        return sorted(
            Arrow(name, target)
            for name, targets in self.imports.items()
            for target in targets
            if floors.forbids(name.partition(".")[0], target.partition(".")[0])
        )

    def without_floor(self, floors: Floors) -> Sequence[str]:
        """The files that stand on none of these floors."""
        return [name for name in self.sources if name and not floors.knows(name.partition(".")[0])]

    # -- duplicates ------------------------------------------------------------------------------
    @cached_property
    def duplicates(self) -> Sequence[Duplicate]:
        """Pairs of equal blocks, the longest first: each as long as it can be, and none within another."""
        texts = {name: self._statements(name) for name in self.sources}
        places: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
        for name, lines in texts.items():
            for start in range(len(lines) - BLOCK + 1):
                places[tuple(text for _, text in lines[start : start + BLOCK])].append((name, start))
        found = [
            self._grown(texts, first, second)
            for same in places.values()
            for number, first in enumerate(same)
            for second in same[number + 1 :]
            if not _overlap(first, second) and not _begins_before(texts, first, second)
        ]
        return sorted(found, key=lambda duplicate: -duplicate.lines)

    def _statements(self, name: str) -> list[tuple[int, str]]:
        """The lines that say something, with their numbers."""
        imports = {
            number
            for node in ast.walk(self.trees[name])
            if isinstance(node, ast.Import | ast.ImportFrom)
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        lines = ((n, line.strip()) for n, line in enumerate(self.sources[name].splitlines(), 1))
        return [(n, text) for n, text in lines if text and not text.startswith("#") and n not in imports]

    def _grown(
        self, texts: Mapping[str, list[tuple[int, str]]], first: tuple[str, int], second: tuple[str, int]
    ) -> Duplicate:
        (one, i), (other, j) = first, second
        length = BLOCK
        pairs = zip(texts[one][i + BLOCK :], texts[other][j + BLOCK :], strict=False)
        for (_, left), (_, right) in pairs:
            if left != right:
                break
            length += 1
        return Duplicate(f"{one}:{texts[one][i][0]}", f"{other}:{texts[other][j][0]}", length)


def _overlap(first: tuple[str, int], second: tuple[str, int]) -> bool:
    return first[0] == second[0] and abs(first[1] - second[1]) < BLOCK


def _begins_before(
    texts: Mapping[str, list[tuple[int, str]]], first: tuple[str, int], second: tuple[str, int]
) -> bool:
    """Whether the lines before these are equal, too: then this block is a part of that one."""
    (one, i), (other, j) = first, second
    return i > 0 and j > 0 and texts[one][i - 1][1] == texts[other][j - 1][1]


def child_of(package: str, name: str) -> str | None:
    """The child of ``package`` that ``name`` is or lies in; ``None`` outside of it."""
    prefix = f"{package}." if package else ""
    if not name.startswith(prefix) or name == package:
        return None
    return prefix + name[len(prefix) :].partition(".")[0]


def circles(graph: Graph) -> list[list[str]]:
    """The groups of nodes that reach each other (Tarjan's strongly connected components), sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


# -- the report ----------------------------------------------------------------------------------
def report(houses: Mapping[str, House], floors: Floors) -> str:
    """The tables, and below them what the counts are made of."""
    names = list(houses)
    rows = {name: _figures(house, floors) for name, house in houses.items()}
    table = [["", *names], *([label, *(rows[n][label] for n in names)] for label in rows[names[0]])]
    rooms = sorted(
        {room for house in houses.values() for room in house.rooms},
        key=lambda room: [-house.rooms.get(room, (0, 0))[1] for house in [*houses.values()][::-1]],
    )
    sizes = [["room", *(f"{n}: files, share of lines" for n in names)]]
    for room in rooms:
        label = "files beside the rooms" if room == "." else f"`{room}/`"
        sizes.append([label, *(_size(houses[n], room) for n in names)])
    parts = [_markdown(table), _markdown(sizes)]
    parts += [f"{name}\n{_evidence(house, floors)}" for name, house in houses.items()]
    return "\n\n".join(parts)


def _figures(house: House, floors: Floors) -> dict[str, str]:
    lengths = [function.lines for function in house.functions]
    largest = max((room for room in house.rooms if room != "."), key=lambda room: house.rooms[room][1])
    ninetieth = statistics.quantiles(lengths, n=10, method="inclusive")[-1]
    return {
        "modules": f"{len(house.sources):,}",
        "lines": f"{house.lines:,}",
        "circles of files": str(len(house.circles_of_files)),
        "circles of rooms": str(len(house.circles_of_rooms)),
        "arrows up": str(len(house.arrows_up(floors))),
        "files on no floor": str(len(house.without_floor(floors))),
        "largest room": f"`{largest}/`, {house.rooms[largest][1] / house.lines:.0%}",
        "functions": f"{len(lengths):,}",
        "lines of a function: median, 90th of a hundred, longest": (
            f"{statistics.median(lengths):.0f}, {ninetieth:.0f}, {lengths[-1]}"
        ),
        f"pairs of equal blocks, {BLOCK} lines or more": str(len(house.duplicates)),
    }


def _size(house: House, room: str) -> str:
    files, lines = house.rooms.get(room, (0, 0))
    return f"{files}, {lines / house.lines:.1%}" if files else "–"


def _evidence(house: House, floors: Floors) -> str:
    lines = [f"  circle of files: {' ↔ '.join(circle)}" for circle in house.circles_of_files]
    lines += [f"  circle of rooms: {' ↔ '.join(circle)}" for circle in house.circles_of_rooms]
    lines += [f"  arrow up: {arrow.source} → {arrow.target}" for arrow in house.arrows_up(floors)]
    lines += [f"  on no floor: {name}" for name in house.without_floor(floors)]
    lines += [f"  function: {f.name}, {f.lines} lines" for f in house.functions[:-4:-1]]
    lines += [f"  equal: {d.first} = {d.second}, {d.lines} lines" for d in house.duplicates]
    return "\n".join(lines)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def checked_out(ref: str, folder: Path) -> Path:
    """The package and the contract of a commit, in ``folder``."""
    command = ["git", "-C", str(ROOT), "archive", ref, PACKAGE, "pyproject.toml"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"structure: {ref}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.structure", description=__doc__)
    parser.add_argument("--ref", action="append", help="a commit, instead of the working tree; repeatable")
    refs: list[str] = parser.parse_args().ref or []
    with ExitStack() as stack:
        houses = {
            ref: House(checked_out(ref, Path(stack.enter_context(tempfile.TemporaryDirectory()))))
            for ref in refs
        } or {"working tree": House(ROOT)}
    floors = Floors.of(ROOT / "pyproject.toml")  # of today: what is old is held to the same plan
    assert floors is not None, "pyproject.toml has no contract named floors"
    print(report(houses, floors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
