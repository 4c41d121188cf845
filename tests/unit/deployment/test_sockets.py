"""Where the Unix sockets of a home with a long path are: in a folder that nobody else can make first."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from keepa_deals.deployment import sockets
from keepa_deals.deployment.home import Home


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Path(short)


@pytest.fixture
def home(tmp_path: Path, temporary: Path) -> Home:
    home = Home(tmp_path.resolve() / ("long" * 25))
    home.make()
    return home


def test_a_short_home_has_its_sockets_inside(tmp_path_factory: pytest.TempPathFactory) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        home = Home(Path(short))
        assert home.socket("run", "supervisor.sock") == Path(short) / "run" / "supervisor.sock"


def test_a_long_home_has_a_private_folder_that_stays_the_same(home: Home, temporary: Path) -> None:
    first = home.socket("run", "supervisor.sock")
    assert sockets.is_short(first)
    assert first.parent.parent == temporary
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert home.socket("run", "supervisor.sock") == first
    assert home.socket("redis", "redis.sock").parent == first.parent
    assert (home.run / sockets.RECORD).stat().st_mode & 0o777 == 0o600


def test_its_name_cannot_be_foreseen(home: Home, temporary: Path) -> None:
    before = home.socket("run", "s.sock").parent
    assert sockets.remove(home.run) == before
    assert not before.exists()
    assert home.socket("run", "s.sock").parent != before


@pytest.mark.parametrize("squat", ["link", "open", "file"])
def test_a_folder_that_is_not_private_any_more_is_not_used(home: Home, tmp_path: Path, squat: str) -> None:
    before = home.socket("run", "s.sock").parent
    before.rmdir()
    if squat == "link":
        (tmp_path / "trap").mkdir(mode=0o700)
        before.symlink_to(tmp_path / "trap")
    elif squat == "open":
        before.mkdir()
        before.chmod(0o777)
    else:
        before.touch()
    after = home.socket("run", "s.sock").parent
    assert after != before
    assert sockets.is_private(after, os.geteuid())
    assert home.socket("run", "s.sock").parent == after


def test_a_folder_that_was_swept_away_comes_back_under_its_name(home: Home) -> None:
    before = home.socket("run", "s.sock").parent
    before.rmdir()
    assert home.socket("run", "s.sock").parent == before
    assert before.is_dir()


def test_a_copied_home_does_not_use_the_original_s_folder(home: Home, tmp_path: Path) -> None:
    before = home.socket("run", "s.sock").parent
    copy = Home(home.path.with_name(home.path.name[:-1] + "x"))
    shutil.copytree(home.path, copy.path)
    assert copy.socket("run", "s.sock").parent != before
    assert home.socket("run", "s.sock").parent == before


def test_a_look_makes_nothing_where_nothing_was_started(tmp_path: Path, temporary: Path) -> None:
    home = Home(tmp_path / ("long" * 25))
    assert home.socket("run", "s.sock") == home.run / "s.sock"
    assert list(temporary.iterdir()) == []


def test_two_at_once_agree(home: Home) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(home.socket("run", "s.sock"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_a_service_of_an_earlier_version_is_still_found(home: Home, temporary: Path) -> None:
    digest = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:12]
    earlier = temporary / f"keepa-deals-{os.geteuid()}-{digest}"
    earlier.mkdir(mode=0o700)
    assert home.socket("run", "s.sock").parent == earlier


def test_a_folder_of_somebody_else_is_not_used(home: Home) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    made = home.socket("run", "s.sock").parent
    os.chown(made, 64101, 64101)
    assert home.socket("run", "s.sock").parent != made


def test_another_user_s_look_makes_nothing_and_believes_the_owner_s_folder_alone(home: Home) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    made = home.socket("run", "s.sock").parent
    os.chown(home.run, 64101, 64101)
    assert sockets.folder(home.run) is None
    assert (home.run / sockets.RECORD).exists()
    os.chown(made, 64101, 64101)
    assert sockets.folder(home.run) == made
