"""The buttons of the health page: what they refuse, what they do, what they record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from kombu.exceptions import OperationalError
from werkzeug.test import TestResponse

from keepa_deals.health.parts.locks import LockHealth
from keepa_deals.health.parts.queues import QueueHealth
from keepa_deals.health.probing import Reading
from keepa_deals.health.report import HealthReport
from keepa_deals.ingest.backfill import run as backfill
from keepa_deals.ingest.run import Outcome
from keepa_deals.jobs import BACKFILL_JOB, UPSERT_JOB, Job
from keepa_deals.web.services import EXTENSION, HealthWatch
from tests.support import health_reports
from tests.support.world import World

Press = Callable[..., list[Job]]
Send = Callable[..., TestResponse]


@pytest.fixture
def press(client: FlaskClient, world: World, send: Send) -> Press:
    """Presses a "run now" while the service is in the state of a report; what was sent."""

    def go(report: HealthReport, job: str = UPSERT_JOB.name, broken: bool = False) -> list[Job]:
        sent: list[Job] = []

        def take(sent_job: Job) -> None:
            if broken:
                raise OperationalError("away")
            sent.append(sent_job)

        extensions = client.application.extensions
        watch = HealthWatch(lambda: report, world.clock)
        extensions[EXTENSION] = replace(extensions[EXTENSION], send=take, health=watch)
        assert send("/health/run", {"job": job}).status_code == 303
        return sent

    return go


def test_run_now_sends_the_task_to_its_queue_and_records_it(client: FlaskClient, press: Press) -> None:
    (sent,) = press(health_reports.healthy())
    assert (sent.task, sent.queue) == ("keepa_deals.simple_task.update_recent_deals", "upsert")
    page = client.get("/health").text
    assert "<b>run now</b> update_recent_deals: sent to its queue" in page
    assert "by 127.0.0.1" in page


def test_the_backfill_goes_to_its_own_queue(press: Press) -> None:
    (sent,) = press(health_reports.healthy(), BACKFILL_JOB.name)
    assert (sent.task, sent.queue) == ("keepa_deals.backfiller.backfill_deals", "backfill")


def test_a_second_press_at_once_sends_nothing(client: FlaskClient, press: Press, world: World) -> None:
    assert press(health_reports.healthy())
    assert press(health_reports.healthy()) == []
    assert "not sent: it was sent a moment ago" in client.get("/health").text
    world.clock.pass_time(timedelta(seconds=6))
    assert press(health_reports.healthy())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"locks": Reading((LockHealth("update_recent_deals_lock", "h:1:2:3", "h", 1, 40.0),))},
            "it is running already (pid 1 on h)",
        ),
        ({"queues": Reading((QueueHealth("upsert", 1, None),))}, "1 in its queue already"),
        (
            {"jobs": Reading(health_reports.jobs(health_reports.job(paused=True)))},
            "it is paused: resume it first",
        ),
        ({"redis": Reading(error="Redis does not answer")}, "Redis does not answer"),
    ],
)
def test_what_speaks_against_a_run_is_said_and_recorded(
    client: FlaskClient, press: Press, changes: dict[str, Reading[object]], said: str
) -> None:
    assert press(health_reports.healthy(**changes)) == []
    assert f"update_recent_deals: not sent: {said}" in client.get("/health").text


def test_a_broker_that_does_not_take_the_message_is_admitted(client: FlaskClient, press: Press) -> None:
    press(health_reports.healthy(), broken=True)
    assert "not sent: Redis does not answer" in client.get("/health").text


def test_a_paused_backfill_does_nothing_until_it_is_resumed(
    client: FlaskClient, world: World, send: Send
) -> None:
    for _ in range(2):
        assert send("/health/backfill", {"action": "pause"}).status_code == 303
    assert backfill.run_slice(world.context).outcome is Outcome.PAUSED
    page = client.get("/health").text
    assert '<b class="badge paused">paused</b>' in page
    assert "was paused already" in page
    send("/health/backfill", {"action": "resume"})
    assert backfill.run_slice(world.context).outcome is Outcome.NOTHING_TO_DO


@pytest.mark.parametrize(
    ("address", "form", "named"),
    [
        ("/health/run", {"job": "rm"}, "job"),
        ("/health/run", {}, "job"),
        ("/health/backfill", {"action": "stop"}, "action"),
    ],
)
def test_a_button_that_is_none_is_refused(send: Send, address: str, form: dict[str, str], named: str) -> None:
    answer = send(address, form)
    assert answer.status_code == 400
    assert f"{named}: must be one of" in answer.text


def test_a_form_from_elsewhere_does_nothing(client: FlaskClient, world: World) -> None:
    for address, form in (
        ("/health/backfill", {"action": "pause"}),
        ("/views", {"name": "Mine", "query": ""}),
    ):
        assert client.post(address, data=form).status_code == 400
    assert backfill.run_slice(world.context).outcome is Outcome.NOTHING_TO_DO
