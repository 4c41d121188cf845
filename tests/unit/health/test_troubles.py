"""What operators are told of, from the look to a webhook."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepa_deals.alerts import senders
from keepa_deals.alerts.courier import Courier, CourierSettings, Sent
from keepa_deals.call_log import Answers, LastAnswer
from keepa_deals.health.operators import PARTS, tell, tell_operators
from keepa_deals.health.probing import Reading
from keepa_deals.health.problems import TITLES
from keepa_deals.health.troubles import READ_FOR, find_troubles, unknown_troubles
from keepa_deals.ingest.upsert.budget import Limit
from keepa_deals.secret_box import SecretBox
from tests.support import health_reports as reports
from tests.support.alerts import deliveries, make_channel
from tests.support.webhooks import hooks
from tests.support.world import make_world

BEHIND = {"jobs": reports.jobs(reports.job(last_success_at=reports.ago(hours=1)))}
REFUSED = "Keepa /deal: 402 the key is refused"


def failed_call(result: str, in_row: int) -> Answers:
    last = {"/deal": LastAnswer(result, reports.ago(seconds=5), 0.1, 0, None)}
    return Answers(last, {}, last, {}, {"/deal": in_row})


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ({}, []),
        (BEHIND, ["upserter_behind"]),
        ({"jobs": reports.jobs(reports.job(last_outcome="failed", last_error=REFUSED))}, ["key_refused"]),
        ({"keepa": failed_call("402", 2)}, ["key_refused"]),
        ({"keepa": failed_call("402", 1)}, []),
        ({"keepa": failed_call("500", 5)}, []),
        ({"searches": (reports.search(plan={"limit": Limit.PLAN, "kept": 300}),)}, ["budget_too_small"]),
        ({"searches": (reports.search(plan={"limit": Limit.KEEPA}),)}, []),
        ({"alerts": reports.alerts(failing=((7, 12),))}, ["notifications_failing"]),
    ],
)
def test_what_people_must_act_on_is_found(parts: dict[str, Any], names: list[str]) -> None:
    report = reports.healthy(**parts)
    assert [one.name for one in find_troubles(report)] == names
    assert unknown_troubles(report) == frozenset()


def test_of_a_part_that_cannot_be_read_nobody_knows() -> None:
    away = Reading[Any](error="the database does not answer")
    assert unknown_troubles(reports.healthy(jobs=away)) == {
        "upserter_behind",
        "key_refused",
        "budget_too_small",
    }
    assert set(READ_FOR) <= set(TITLES)
    assert {part.name for part in PARTS} == {"queues", "jobs", "keepa", "searches", "alerts"}


def test_a_webhook_is_told_what_is_wrong_once_and_that_it_is_well_again(tmp_path: Path) -> None:
    world, box = make_world(tmp_path / "deals.db"), SecretBox(tmp_path)
    known = CourierSettings("https://deals.example/", 1, world.context.fresh_for, timedelta(hours=1))
    courier = Courier(world.database, box, world.clock, known, senders.send)
    with hooks() as web:
        with world.database.begin() as session:
            number = make_channel(
                session,
                world.clock.now(),
                kind="webhook",
                address=box.encrypt(web.address()),
                tells_of_service=True,
            )
        for report in (*[reports.healthy(**BEHIND)] * 5, *[reports.healthy()] * 5):
            world.clock.pass_time(timedelta(minutes=1))
            tell(world.context, report)
            while isinstance(courier.send_next(number), Sent):
                pass
        begun, ended = (json.loads(body) for body in web.wait_for(2))
    assert begun["kind"] == ended["kind"] == "service"
    assert begun["title"] == "Refreshing is behind (upserter_behind)"
    assert "update_recent_deals last succeeded 60 min ago" in begun["text"]
    assert "What to do:" in begun["text"]
    assert begun["url"] == "https://deals.example/health"
    assert ended["title"] == "Well again: Refreshing is behind"


def test_a_look_that_fails_stops_no_job_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = make_world(tmp_path / "deals.db")
    tell_operators(world.context)  # nobody listens: not even a look
    assert deliveries(world.database) == []
    assert caplog.messages == []
    (tmp_path / "deals.db").write_bytes(b"no database" * 100)
    world.database.close()
    tell_operators(world.context)
    assert "operators cannot be told" in caplog.text
