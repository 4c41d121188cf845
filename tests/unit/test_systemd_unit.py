"""The systemd unit that the product prints."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

from keepa_deals.ops import unit
from keepa_deals.ops.layout import Home
from keepa_deals.settings import PROJECT_ROOT


def test_it_names_this_checkout_its_home_and_its_user() -> None:
    text = unit.render(Home(Path("/srv/deals")))
    assert f"ExecStart={PROJECT_ROOT}/start_celery.sh" in text
    assert "PIDFile=/srv/deals/run/supervisord.pid" in text
    assert "Environment=KEEPA_DEALS_HOME=/srv/deals" in text
    assert f"User={getpass.getuser()}" in text


def test_what_an_operator_stops_stays_stopped() -> None:
    text = unit.render(Home(Path("/srv/deals")))
    assert "Restart=on-failure" in text
    assert f"RestartPreventExitStatus={unit.STOP_SIGNAL}" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's own checker")
@pytest.mark.parametrize("home", ["/srv/deals", "/srv/with blank/100%"])
def test_systemd_accepts_it(tmp_path: Path, home: str) -> None:
    file = tmp_path / "keepa-deals.service"
    file.write_text(unit.render(Home(Path(home))))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "keepa-deals" in line]
    assert complaints == []
