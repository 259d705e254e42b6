"""When a delivery is tried again, and when that ends."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.callbacks.deliveries import (
    LEASE,
    MAX_ATTEMPTS,
    MAX_PROBLEM_CHARACTERS,
    Channel,
    DeliveryState,
    anew,
    delivered,
    is_lasting,
    leased,
    new_delivery,
    not_taken,
    pause_seconds,
    postponed,
    refused,
    told,
)
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment_tests.fakes import START
from manga_enrichment_tests.outbox_fakes import PARTNER_TOPIC, URL, ended

FRESH = new_delivery(ended(), Channel.CALLBACK, URL, START)


def test_a_delivery_is_the_same_for_the_same_event_and_target_only() -> None:
    later = START + timedelta(days=1)
    assert new_delivery(ended(occurred_at=later), Channel.CALLBACK, URL, later).delivery_id == FRESH.delivery_id
    others = [
        new_delivery(ended(state=RequestState.FAILED), Channel.CALLBACK, URL, START),
        new_delivery(ended(), Channel.CALLBACK, f"{URL}2", START),
        new_delivery(ended(), Channel.TOPIC, PARTNER_TOPIC, START),
    ]
    assert len({FRESH.delivery_id, *(each.delivery_id for each in others)}) == 4
    assert others[1].event_id == others[2].event_id == FRESH.event_id


def test_eight_tries_take_about_a_day() -> None:
    pauses = [pause_seconds(attempts, 0.5) for attempts in range(1, MAX_ATTEMPTS)]
    assert pauses == [15, 60, 240, 960, 3840, 15360, 61440]
    assert timedelta(hours=20) < timedelta(seconds=sum(pauses)) < timedelta(hours=24)


@given(st.integers(1, MAX_ATTEMPTS - 1), st.floats(0, 1, exclude_max=True))
def test_jitter_moves_a_pause_by_a_fifth_at_most(attempts: int, jitter: float) -> None:
    middle = pause_seconds(attempts, 0.5)
    assert 0.8 * middle <= pause_seconds(attempts, jitter) <= 1.2 * middle


@pytest.mark.parametrize("status", [0, 301, 302, 408, 425, 429, 500, 502, 503])
def test_what_may_get_better_is_tried_again(status: int) -> None:
    after = not_taken(FRESH, START, status=status, problem="no", jitter=0.5)
    assert (after.state, after.attempts, after.status, after.problem) == (DeliveryState.PENDING, 1, status, "no")
    assert after.due_at == START + timedelta(seconds=15)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422, 451, 499])
def test_a_lasting_no_is_final_at_once(status: int) -> None:
    assert is_lasting(status)
    assert not_taken(FRESH, START, status=status, problem="no", jitter=0.5).state is DeliveryState.FAILED


def test_the_eighth_failure_is_the_last() -> None:
    delivery = FRESH
    for _ in range(MAX_ATTEMPTS - 1):
        delivery = not_taken(delivery, START, status=503, problem="no", jitter=0.5)
        assert delivery.state is DeliveryState.PENDING
    assert not_taken(delivery, START, status=503, problem="no", jitter=0.5).state is DeliveryState.FAILED


def test_a_lease_and_a_postponement_are_no_attempts() -> None:
    for later in (leased(FRESH, START), postponed(FRESH, START, LEASE, "later")):
        assert (later.attempts, later.state, later.due_at) == (0, DeliveryState.PENDING, START + LEASE)


def test_success_forgets_the_problem_before_it() -> None:
    after = delivered(not_taken(FRESH, START, status=503, problem="no", jitter=0.5), START, 204)
    assert (after.state, after.attempts, after.status, after.problem) == (DeliveryState.DELIVERED, 2, 204, "")


def test_every_change_is_a_new_version() -> None:
    changes = [
        leased(FRESH, START),
        delivered(FRESH, START),
        refused(FRESH, START, "no"),
        postponed(FRESH, START, LEASE, "no"),
        not_taken(FRESH, START, status=0, problem="no", jitter=0.5),
    ]
    assert {each.version for each in changes} == {FRESH.version + 1}


def test_a_problem_is_kept_short() -> None:
    assert len(refused(FRESH, START, "x" * 5000).problem) == MAX_PROBLEM_CHARACTERS


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (URL, "hooks.acme.example"),
        ("https://user:secret@a.example:8443/x", "a.example:8443"),  # pragma: allowlist secret
        ("https://", ""),
        (PARTNER_TOPIC, PARTNER_TOPIC),
    ],
)
def test_the_receiver_is_shown_without_what_a_url_may_hide(target: str, shown: str) -> None:
    assert replace(FRESH, target=target).receiver == shown


def test_a_failed_delivery_starts_anew_as_the_same_event_with_all_its_tries() -> None:
    later = START + timedelta(days=2)
    failed = told(
        not_taken(replace(FRESH, attempts=MAX_ATTEMPTS - 1), START, status=503, problem="no", jitter=0), START
    )
    again = anew(failed, later)
    assert (again.state, again.attempts, again.due_at, again.told) == (DeliveryState.PENDING, 0, later, False)
    assert (again.delivery_id, again.event_id, again.body) == (FRESH.delivery_id, FRESH.event_id, FRESH.body)
    assert again.version == failed.version + 1
