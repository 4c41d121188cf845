"""A private file is whole or not there."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from keepa_deals import atomic_file


@pytest.mark.parametrize("content", ["prices in €\n", b"\x00\xff"])
def test_a_file_is_replaced_and_its_owners_alone(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "access.json"
    path.write_text("old")
    path.chmod(0o644)
    atomic_file.write(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "deals.db"
    path.write_text("old")

    def fail_half_way() -> None:
        with atomic_file.draft_of(path) as draft:
            draft.write_text("half")
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_that_a_killed_process_of_the_same_pid_left_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "runtime.env"
    with atomic_file.draft_of(path) as draft:
        name = draft.name
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    atomic_file.write(path, "new")
    assert path.read_text() == "new"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_takes_no_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_file.write(tmp_path / "missing" / "file", "text")
