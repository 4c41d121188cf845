"""``.env`` as it is really saved: taken as it is meant, or refused in one line; never in anybody's way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from keepa_deals import env_file, setting_fields, settings
from keepa_deals.deployment.home import Home
from keepa_deals.diagnosis.cli import main as diagnose
from keepa_deals.diagnosis.status_cli import status
from keepa_deals.errors import SettingsError
from keepa_deals.ops.cli import ops
from tests.support import env_files
from tests.support.env_files import REFUSED, SECRET, TAKEN
from tests.support.secrets import shown

Encode = Callable[[str], bytes]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "café" / "home"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*settings.Settings.model_fields, settings.MARK):
        monkeypatch.delenv(name.upper(), raising=False)
    for module in (settings, setting_fields):
        monkeypatch.setattr(module, "PROJECT_ROOT", tmp_path)
    return tmp_path / ".env"


@pytest.mark.parametrize("encode", TAKEN.values(), ids=TAKEN)
def test_what_is_meant_is_taken(file: Path, home: Path, encode: Encode) -> None:
    file.write_bytes(encode(env_files.text(home)))
    loaded = settings.load()
    assert loaded.keepa_deals_home == settings.deployment_home() == home
    assert loaded.redis_dsn == f"redis://:{SECRET}@127.0.0.1:6379/0"


@pytest.mark.parametrize(("encode", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_one_line_and_shows_no_secret(
    file: Path, home: Path, encode: Encode, said: str
) -> None:
    file.write_bytes(encode(env_files.text(home)))
    with pytest.raises(SettingsError) as refused:
        settings.load()
    words = str(refused.value)
    assert words.startswith(f"{file}: ")
    assert said in words
    assert "\n" not in words
    assert shown(words, SECRET, length=4) == set()


@pytest.mark.parametrize(("encode", "said"), REFUSED.values(), ids=REFUSED)
def test_stopping_and_looking_work_with_any_file(
    file: Path, tmp_path: Path, encode: Encode, said: str
) -> None:
    home = tmp_path / "home"
    file.write_bytes(encode(env_files.text(home)))
    assert settings.deployment_home() == (home if "at most" not in said else tmp_path / "var")
    in_force, wrong = settings.load_or_in_force()
    assert wrong is not None
    assert said in wrong
    assert in_force.keepa_deals_home == settings.deployment_home()
    done = CliRunner().invoke(ops, ["kill"])
    assert (done.exit_code, done.output) == (0, f"nothing was ever started in {in_force.keepa_deals_home}\n")


@pytest.mark.parametrize("kind", ["latin-1", "utf-16", "NUL"])
def test_every_command_that_looks_says_what_is_wrong_with_the_file(
    file: Path, tmp_path: Path, kind: str
) -> None:
    encode, said = REFUSED[kind]
    file.write_bytes(encode(env_files.text(tmp_path / "home")))
    for command in (status, diagnose):
        done = CliRunner().invoke(command)
        assert done.exit_code == 1, done.output
        assert said in " ".join(done.output.split())
        assert shown(done.output, SECRET, length=4) == set()


def test_what_is_no_file_is_said(file: Path, tmp_path: Path) -> None:
    file.mkdir()
    assert refusal() == f"{file}: a folder: must be one file"
    file.rmdir()
    os.mkfifo(file)
    assert refusal() == f"{file}: no regular file: must be one"
    file.unlink()
    file.symlink_to(tmp_path / "gone")
    assert refusal() == f"{file}: cannot be read (No such file or directory)"
    file.unlink()
    file.symlink_to(file)
    assert refusal() == f"{file}: cannot be read (Too many levels of symbolic links)"
    assert settings.deployment_home() == tmp_path / "var"


def test_a_home_with_bytes_that_are_no_utf_8_is_found_all_the_same(file: Path, tmp_path: Path) -> None:
    wanted = os.fsencode(tmp_path) + b"/caf\xe9"
    file.write_bytes(b"KEEPA_DEALS_HOME=" + wanted + b"\n")
    assert os.fsencode(settings.deployment_home()) == wanted


@pytest.mark.parametrize(("encode", "said"), list(REFUSED.values())[:5:2], ids=list(REFUSED)[:5:2])
def test_a_program_of_the_service_goes_on_with_what_it_was_started_with(
    file: Path, home: Path, encode: Encode, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del said
    layout = Home(home)
    layout.make()
    layout.runtime.write_text("REDIS_URL='redis://127.0.0.1:1/0'\nPREP_COST='7'\n")
    file.write_bytes(encode(env_files.text(home)))
    monkeypatch.setenv(settings.MARK, str(home))
    assert (settings.load().prep_cost, settings.load().keepa_deals_home) == (7, home)
    file.write_text("PREP_COST=9\nSHIPPING_COST=9\n")
    assert (settings.load().prep_cost, settings.load().shipping_cost) == (7, 0)


def test_what_runs_is_read_back_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/elsewhere")
    file = tmp_path / "runtime.env"
    for value in ("a${HOME}b", "it's", "back\\slash", 'double"', "a # b", " blank ", "$HOME", "naïve"):
        file.write_text("A='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'\n")
        assert env_file.read(file, expand=False) == {"A": value}


def refusal() -> str:
    with pytest.raises(SettingsError) as refused:
        settings.load()
    return str(refused.value)
