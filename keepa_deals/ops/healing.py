"""One try of the watchdog's to bring the service back: what ``ops guard --heal`` does."""

from __future__ import annotations

import logging

from keepa_deals.deployment import supervisor
from keepa_deals.deployment.errors import BusyError, OpsError
from keepa_deals.deployment.home import Home
from keepa_deals.deployment.operation_lock import WATCHDOG, only_one
from keepa_deals.errors import KeepaDealsError
from keepa_deals.ops import start as starting
from keepa_deals.ops.watchdog import BUSY, FAILED, HEALED

log = logging.getLogger(__name__)


def heal(home: Home, reason: str) -> int:
    """Start what does not run, with the settings that it was started with; the exit code, as of a start.

    What was started and does not work is left to the supervisor: waiting would keep the operator away.
    """
    try:
        with only_one(home.operation_lock, WATCHDOG):
            log.warning("%s: starting what does not run", reason)
            try:
                starting.start(home, log.info, resume=True)
                log.warning("the service is whole again")
            except OpsError as error:
                if supervisor.live_supervisor(home) is None or supervisor.stopped(home):
                    raise
                log.error("everything was started, but %s", error)  # noqa: TRY400  # expected: no traceback
    except BusyError as error:
        log.info("%s, but %s", reason, error)
        return BUSY
    except (KeepaDealsError, OSError) as error:  # a full disk, say
        log.error("%s, and it can't be started yet: %s", reason, error)  # noqa: TRY400  # expected: no traceback
        return FAILED
    except Exception:
        log.exception("this failed in a way that nobody foresaw, and is tried again")
        return FAILED
    return HEALED
