"""The systemd unit that the product prints."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

from keepa_deals import settings as settings_module
from keepa_deals.deployment import runtime_env
from keepa_deals.deployment.home import Home
from keepa_deals.ops import systemd_unit
from keepa_deals.settings import PROJECT_ROOT, Settings


def test_it_names_this_checkout_its_home_and_its_user() -> None:
    text = systemd_unit.render(Home(Path("/srv/deals")), {})
    assert f"ExecStart={PROJECT_ROOT}/start_celery.sh" in text
    assert "PIDFile=/srv/deals/run/supervisord.pid" in text
    assert "Environment=KEEPA_DEALS_HOME=/srv/deals" in text
    assert f"User={getpass.getuser()}" in text


def test_what_an_operator_stops_stays_stopped() -> None:
    text = systemd_unit.render(Home(Path("/srv/deals")), {})
    assert "Restart=on-failure" in text
    assert f"RestartPreventExitStatus={systemd_unit.STOP_SIGNAL}" in text


AWKWARD = {
    "KEEPA_DEAL_SELECTION": '/srv/my deals/100% "used".json',
    "DASHBOARD_TRUSTED_HOSTS": "deals.example,192.0.2.7",
    "SSL_CERT_FILE": "/etc/ssl/own ca.pem",
    "KEEPA_API_KEY": "k" * 64,
    "PATH": "/usr/bin",
}


def test_it_carries_what_the_environment_set_and_says_which_secrets_it_left_out() -> None:
    text = systemd_unit.render(Home(Path("/srv/deals")), AWKWARD)
    assert "Environment=DASHBOARD_TRUSTED_HOSTS=deals.example,192.0.2.7\n" in text
    assert r'Environment="KEEPA_DEAL_SELECTION=/srv/my deals/100%% \"used\".json"' in text
    assert 'Environment="SSL_CERT_FILE=/etc/ssl/own ca.pem"' in text
    assert "# left out, because it is a secret and units are read by everybody: KEEPA_API_KEY." in text
    assert "k" * 8 not in text
    assert "/usr/bin" not in text


SECRETS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_in_a_unit(name: str) -> None:
    text = systemd_unit.render(Home(Path("/srv/deals")), {name.upper(): "s3cret-of-ours"})
    assert "s3cret" not in text
    assert name.upper() in text


def test_it_starts_the_sandbox_where_the_last_start_did_or_where_it_is_asked_to(tmp_path: Path) -> None:
    home = Home(tmp_path / "var")
    home.make()
    sandboxed = f"ExecStart={PROJECT_ROOT}/start_celery.sh --sandbox\n"
    assert sandboxed not in systemd_unit.render(home, {})
    assert sandboxed in systemd_unit.render(home, {}, sandbox=True)
    home.runtime.write_text("# sandbox\n")
    assert sandboxed in systemd_unit.render(home, {})


def test_it_names_what_the_last_start_had_and_the_next_would_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "PROJECT_ROOT", tmp_path)
    monkeypatch.delenv("PREP_COST", raising=False)
    home = Home(tmp_path / "var")
    home.make()
    given = Settings(_env_file=None, keepa_api_key="k" * 64, keepa_deals_home=home.path, prep_cost=77)  # type: ignore[call-arg, arg-type]
    runtime_env.write(home, given, sandbox=False)
    text = systemd_unit.render(home, {})
    assert "# the last start had another PREP_COST than .env has: put it into .env" in text
    assert "another PREP_COST" not in systemd_unit.render(home, {"PREP_COST": "77"})


def test_a_user_without_a_name_is_its_number() -> None:
    assert systemd_unit._user(4_000_000_000) == "4000000000"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's own checker")
@pytest.mark.parametrize("name", ["deals", "with blank, 100%"])
def test_systemd_accepts_it_and_finds_the_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    checkout = tmp_path / name
    checkout.mkdir()
    for script in ("start_celery.sh", "kill_everything_force.sh"):
        (checkout / script).touch(mode=0o755)
    monkeypatch.setattr(systemd_unit, "PROJECT_ROOT", checkout)
    assert complaints(tmp_path, systemd_unit.render(Home(checkout / "var"), AWKWARD)) == ""
    (checkout / "start_celery.sh").unlink()  # systemd did look there
    assert "start_celery.sh" in complaints(tmp_path, systemd_unit.render(Home(checkout / "var"), AWKWARD))


def complaints(folder: Path, text: str) -> str:
    file = folder / "keepa-deals.service"
    file.write_text(text)
    command = ["systemd-analyze", "verify", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return "\n".join(line for line in said.splitlines() if "keepa-deals" in line)
