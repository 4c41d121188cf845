"""What a program of the service has loaded when it begins to work, seen in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from keepa_deals.settings import KEY_LENGTH
from tests.support.paths import ROOT

_CELERY = """
import sys
sys.modules["pygments"] = None  # as keepa_deals.worker.celery does
import celery.apps.{program}, celery.bin.{program}, keepa_deals.worker.celery
from keepa_deals.celery_app import app
app.loader.init_worker()
app.finalize(auto=True)
"""
_SERVER = "import gunicorn.app.wsgiapp, keepa_deals.web.server.worker, keepa_deals.web.gunicorn_conf"
STARTED: dict[str, str] = {
    "supervisord": "import supervisor.supervisord, keepa_deals.deployment.supervisor_plugin",
    "guard": "import keepa_deals.__main__, keepa_deals.ops.cli, keepa_deals.ops.watchdog",
    "beat": f"{_CELERY.format(program='beat')}import keepa_deals.worker.scheduler",
    "worker": f"{_CELERY.format(program='worker')}"
    "from celery.signals import worker_init; worker_init.send(sender=None)",
    "dashboard, master": _SERVER,
    "dashboard": f"{_SERVER}; import keepa_deals.web.app",
    "start": "import keepa_deals.__main__, keepa_deals.ops.cli, keepa_deals.ops.start",
}
"""Program → the imports of its start, in the words of the command that the supervisor runs."""

_ENVIRONMENT = {
    "KEEPA_API_KEY": "k" * KEY_LENGTH,
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "KEEPA_DEALS_HOME": "/nonexistent",
}
"""Settings that let a program begin; nobody is asked."""
_REPORT = """
import json, resource, sys
modules = sorted(name for name, module in sys.modules.items() if module is not None)
with open("/proc/self/smaps_rollup") as file:
    pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
print(json.dumps({"modules": modules, "kilobytes": pss}))
"""


@dataclass(frozen=True, slots=True)
class Imports:
    """``seconds`` are processor time, the interpreter's own start included; ``kilobytes`` are PSS."""

    modules: frozenset[str]
    seconds: float
    kilobytes: int

    @property
    def packages(self) -> frozenset[str]:
        """The modules' first names."""
        return frozenset(name.partition(".")[0] for name in self.modules)


@cache
def imports_of(program: str) -> Imports:
    """What ``program`` of :data:`STARTED` loads."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", f"{STARTED[program]}\n{_REPORT}"],
        cwd=ROOT,
        env=_ENVIRONMENT | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Imports(frozenset(told["modules"]), seconds, told["kilobytes"])
