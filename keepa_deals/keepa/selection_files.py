"""The files of ``KEEPA_DEAL_SELECTION``: one deal query, or a folder in which each file is a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepa_deals import text_file
from keepa_deals.errors import SettingsError
from keepa_deals.keepa.deal_query import quoted
from keepa_deals.keepa.selection import SEARCH, SETTING, Selection, parse, read_selection, selection_from
from keepa_deals.settings import Settings

MIN_WEIGHT, MAX_WEIGHT, DEFAULT_WEIGHT = 1, 10, 5
MIN_FRESH_MINUTES, MAX_FRESH_MINUTES = 5, 1440
MAX_NAME = 60
MAX_FILES = 100


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """How a search takes part: its weight, and the minutes within which its deals are seen again."""

    weight: int = DEFAULT_WEIGHT
    fresh_minutes: int | None = None
    """``None``: as long as a deal stays live (``DEAL_FRESH_MINUTES``)."""


@dataclass(frozen=True, slots=True)
class SearchFile:
    """A file that can be used, and the search that is named after it."""

    name: str
    selection: Selection
    terms: SearchTerms


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file that cannot be used; ``problem`` is one line that names it."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class SelectionFiles:
    """What the setting names: in a folder the files by name, else the one file."""

    found: tuple[SearchFile, ...]
    broken: tuple[BrokenFile, ...] = ()
    is_folder: bool = False


def read_selection_files(settings: Settings) -> SelectionFiles:
    """The searches of a deployment's files. A ``SettingsError`` for a file that cannot be used, for a folder
    that cannot be read, and for one in which nothing can be used."""
    path = settings.keepa_deal_selection
    if not path.is_dir():
        selection = read_selection(path, domain_id=settings.chosen_domain_id)
        return SelectionFiles((SearchFile(name_of(path), selection, _terms_in(path)),))
    found: list[SearchFile] = []
    broken: list[BrokenFile] = []
    for file in _files_in(path):
        try:
            found.append(_read(file, settings.keepa_domain_id, found))
        except SettingsError as error:
            broken.append(BrokenFile(name_of(file), f"{SETTING}={file}: {error}"))
    if not found:
        why = broken[0].problem if broken else f"{SETTING}={path}: no *.json in this folder: it needs one"
        raise SettingsError(why)
    return SelectionFiles(tuple(found), tuple(broken), is_folder=True)


def selection_of(settings: Settings) -> Selection:
    """The deal query of a deployment, the first of a folder; as :func:`read_selection_files`."""
    return read_selection_files(settings).found[0].selection


def name_of(file: Path) -> str:
    """The name of the search in a file: the file's own."""
    return "".join(c if c.isprintable() else "?" for c in file.stem)[:MAX_NAME]


def check_weight(value: object) -> int:
    """A weight; a ``SettingsError`` for what is none."""
    return _whole("weight", value, MIN_WEIGHT, MAX_WEIGHT)


def check_fresh_minutes(value: object) -> int:
    """The minutes of a freshness window; a ``SettingsError`` for what is none."""
    return _whole("freshMinutes", value, MIN_FRESH_MINUTES, MAX_FRESH_MINUTES)


def _files_in(folder: Path) -> list[Path]:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".json")
    except OSError as error:
        raise SettingsError(f"{SETTING}={folder}: cannot be read ({error.strerror})") from None
    if len(files) > MAX_FILES:
        raise SettingsError(f"{SETTING}={folder}: {len(files)} files: must be at most {MAX_FILES}")
    return files


def _read(file: Path, domain_id: int, before: list[SearchFile]) -> SearchFile:
    """One file of a folder; a ``SettingsError`` does not name it."""
    if any(other.name.casefold() == name_of(file).casefold() for other in before):
        raise SettingsError(f"another file has this name but for its case: give {file.name} another one")
    raw = parse(text_file.read(file))
    terms = _terms(raw)
    return SearchFile(name_of(file), selection_from(raw, domain_id=domain_id, own_wins=True), terms)


def _terms_in(file: Path) -> SearchTerms:
    try:
        return _terms(parse(text_file.read(file)))
    except SettingsError as error:
        raise SettingsError(f"{SETTING}={file}: {error}") from None


def _terms(raw: Any) -> SearchTerms:
    said = raw.get(SEARCH) if isinstance(raw, Mapping) else None
    if said is None:
        return SearchTerms()
    if not isinstance(said, Mapping) or set(said) - {"weight", "freshMinutes"}:
        raise SettingsError(f'{SEARCH} is {quoted(said)}: must be {{"weight": 5, "freshMinutes": 60}}')
    minutes = said.get("freshMinutes")
    return SearchTerms(
        check_weight(said.get("weight", DEFAULT_WEIGHT)),
        None if minutes is None else check_fresh_minutes(minutes),
    )


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} is {quoted(value)}: must be a whole number from {low} to {high}")
    return value
