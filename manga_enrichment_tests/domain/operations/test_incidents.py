"""An incident is told once, and once more when it is over."""

import json
from datetime import timedelta
from typing import Any

import pytest

from manga_enrichment.domain.operations.incidents import (
    CHECK_FAILED,
    MOST_INCIDENTS,
    QUIET,
    RUN_DIED,
    Incidents,
    Signal,
)
from manga_enrichment_tests.fakes import START

URL = "https://dagster.example.com/"


def failed(subject: str = "run of nightly_enrichment", scope: str = "0..7", minutes: float = 0, **more: Any) -> Signal:
    more = {"reason": "access_denied", **more}
    return Signal(subject, scope, works=False, at=START + timedelta(minutes=minutes), run_id="run-1", **more)


def works(subject: str = "run of nightly_enrichment", scope: str = "0..7", minutes: float = 1) -> Signal:
    return Signal(subject, scope, works=True, at=START + timedelta(minutes=minutes), run_id="run-2")


def told(incidents: Incidents, *signals: Signal) -> list[dict[str, Any]]:
    return [json.loads(alert.message) for signal in signals for alert in incidents.after(signal)]


def kinds(incidents: Incidents, *signals: Signal) -> list[str]:
    return [each["alert"] for each in told(incidents, *signals)]


def test_a_failure_says_what_where_why_what_to_do_and_links_to_the_run() -> None:
    (alert,) = told(Incidents(URL), failed(where="partition 0..7", explanation="op plan: no such bucket"))
    assert alert["what"] == "run of nightly_enrichment"
    assert alert["where"] == "partition 0..7"
    assert alert["error_class"] == "access_denied"
    assert alert["explanation"] == "op plan: no such bucket"
    assert "bedrock:InvokeModel" in alert["what_to_do"]
    assert alert["link"] == "https://dagster.example.com/runs/run-1"
    assert alert["at"] == START.isoformat(timespec="seconds")


def test_what_fails_again_is_not_told_again() -> None:
    assert kinds(Incidents(URL), failed(), failed(minutes=5), failed(scope="8..15", minutes=6)) == ["failed"]


def test_it_is_over_when_every_scope_that_failed_has_worked() -> None:
    incidents = Incidents(URL)
    told(incidents, failed(), failed(scope="8..15"))
    assert kinds(incidents, works(minutes=5)) == []
    (alert,) = told(incidents, works(scope="8..15", minutes=6))
    assert (alert["alert"], alert["failures"], alert["since"]) == ("recovered", 2, START.isoformat(timespec="seconds"))
    assert kinds(incidents, works(scope="8..15", minutes=7)) == []


def test_what_works_without_a_scope_covers_all() -> None:
    incidents = Incidents(URL)
    told(incidents, failed(), failed(scope="8..15"))
    assert kinds(incidents, works(scope="")) == ["recovered"]


def test_what_works_elsewhere_ends_nothing() -> None:
    incidents = Incidents(URL)
    told(incidents, failed())
    assert kinds(incidents, works(scope="8..15"), works(subject="run of another_job")) == []


def test_another_reason_is_another_incident_and_one_success_ends_both() -> None:
    incidents = Incidents(URL)
    assert kinds(incidents, failed(), failed(reason=RUN_DIED)) == ["failed", "failed"]
    assert kinds(incidents, works()) == ["recovered", "recovered"]


def test_after_a_quiet_time_a_failure_is_news_again() -> None:
    minutes = QUIET.total_seconds() / 60
    assert kinds(Incidents(URL), failed(), failed(minutes=minutes - 1), failed(minutes=2 * minutes - 2)) == ["failed"]
    assert kinds(Incidents(URL), failed(), failed(minutes=minutes)) == ["failed", "failed"]


def test_failed_and_recovered_have_event_ids_of_their_own_that_do_not_depend_on_when_they_are_sent() -> None:
    first, second = Incidents(URL), Incidents(URL)
    (one,), (same,) = first.after(failed()), second.after(failed())
    (over,) = first.after(works())
    assert one.event_id == same.event_id
    assert one.event_id.removesuffix(".failed") == over.event_id.removesuffix(".recovered")
    (later,) = first.after(failed(minutes=60))
    assert later.event_id != one.event_id


def test_state_survives_being_written_down() -> None:
    incidents = Incidents(URL)
    told(incidents, failed(), failed(scope="8..15", minutes=2))
    restored = Incidents.from_document(URL, json.loads(json.dumps(incidents.as_document())))
    assert restored.open == incidents.open
    assert kinds(restored, works(), works(scope="8..15")) == ["recovered"]


def test_a_failed_check_shows_its_numbers() -> None:
    check = failed(
        "check dead_letter_queue_empty of dead_letter_queues", "", reason=CHECK_FAILED, numbers={"count": 51}
    )
    (alert,) = told(Incidents(URL), check)
    assert alert["numbers"] == {"count": 51}
    assert "ledger" not in alert["what_to_do"]


def test_the_state_is_bounded() -> None:
    incidents = Incidents(URL)
    for number in range(MOST_INCIDENTS + 5):
        incidents.after(failed(f"run of job_{number}", minutes=number / 60))
    assert len(incidents.open) == MOST_INCIDENTS
    assert not any(each.subject == "run of job_0" for each in incidents.open.values())


@pytest.mark.parametrize("subject", ["run of a", "check b of c"])
def test_subjects_of_alerts_name_the_subject(subject: str) -> None:
    incidents = Incidents(URL)
    (alert,) = incidents.after(failed(subject))
    (over,) = incidents.after(works(subject))
    assert alert.subject == f"[manga] {subject} failed: access_denied"
    assert over.subject == f"[manga] {subject} works again"
