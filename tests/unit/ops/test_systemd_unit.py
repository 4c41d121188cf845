"""The systemd unit that the product prints."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

from keepa_deals.deployment.home import Home
from keepa_deals.ops import systemd_unit
from keepa_deals.settings import PROJECT_ROOT


def test_it_names_this_checkout_its_home_and_its_user() -> None:
    text = systemd_unit.render(Home(Path("/srv/deals")))
    assert f"ExecStart={PROJECT_ROOT}/start_celery.sh" in text
    assert "PIDFile=/srv/deals/run/supervisord.pid" in text
    assert "Environment=KEEPA_DEALS_HOME=/srv/deals" in text
    assert f"User={getpass.getuser()}" in text


def test_what_an_operator_stops_stays_stopped() -> None:
    text = systemd_unit.render(Home(Path("/srv/deals")))
    assert "Restart=on-failure" in text
    assert f"RestartPreventExitStatus={systemd_unit.STOP_SIGNAL}" in text


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
    assert complaints(tmp_path, systemd_unit.render(Home(checkout / "var"))) == ""
    (checkout / "start_celery.sh").unlink()  # systemd did look there
    assert "start_celery.sh" in complaints(tmp_path, systemd_unit.render(Home(checkout / "var")))


def complaints(folder: Path, text: str) -> str:
    file = folder / "keepa-deals.service"
    file.write_text(text)
    command = ["systemd-analyze", "verify", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return "\n".join(line for line in said.splitlines() if "keepa-deals" in line)
