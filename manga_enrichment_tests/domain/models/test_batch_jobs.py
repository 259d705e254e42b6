"""Batch jobs by themselves: names, states, and which lane a run takes."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import (
    BATCH_ALIAS,
    MIN_RECORDS,
    NEXT_STATUSES,
    RECORDS_PER_JOB,
    JobStatus,
    Lane,
    check_batch_model,
    choose_lane,
    even_chunk,
    has_ended,
    record_id,
    request_token,
)
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome

FINGERPRINTS = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=9, unique=True)


@given(FINGERPRINTS, st.randoms())
def test_the_same_question_has_the_same_token_in_any_order(fingerprints: list[str], dice: object) -> None:
    shuffled = list(fingerprints)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert request_token("model", fingerprints, 0) == request_token("model", shuffled, 0)


@given(FINGERPRINTS)
def test_another_model_title_or_generation_has_another_token(fingerprints: list[str]) -> None:
    token = request_token("model", fingerprints, 0)
    others = [
        request_token("other", fingerprints, 0),
        request_token("model", fingerprints, 1),
        request_token("model", [*fingerprints, "f" * 63], 0),
    ]
    assert token not in others


def test_tokens_and_record_ids_are_what_the_service_takes() -> None:
    token = request_token("model", ["a" * 64], 0)
    assert re.fullmatch(r"[a-zA-Z0-9]{1,256}", token)
    assert re.fullmatch(r"[a-zA-Z0-9]{32}", record_id(token))


@given(st.integers(1, 10**7))
def test_a_job_is_never_too_large_and_none_is_much_smaller_than_the_others(total: int) -> None:
    size = even_chunk(total)
    last = total % size or size
    assert size <= RECORDS_PER_JOB <= 100_000  # records that Bedrock takes in one job
    assert total < MIN_RECORDS or last >= MIN_RECORDS


@given(st.integers(1, 60), st.integers(1, 9))
def test_jobs_hold_every_title_are_as_few_as_the_limit_allows_and_even(total: int, most: int) -> None:
    size = even_chunk(total, most)
    jobs = [range(total)[start : start + size] for start in range(0, total, size)]
    assert [each for job in jobs for each in job] == list(range(total))
    assert max(map(len, jobs)) <= most
    assert len(jobs) == math.ceil(total / most)
    assert max(map(len, jobs)) - len(jobs[-1]) < len(jobs), "the last is short by less than one title a job"


def test_every_status_of_the_service_has_a_next_step_or_has_ended() -> None:
    assert set(NEXT_STATUSES) == set(JobStatus)
    ended = {status for status in JobStatus if has_ended(status.value)}
    assert ended == {
        JobStatus.COMPLETED,
        JobStatus.PARTIALLY_COMPLETED,
        JobStatus.FAILED,
        JobStatus.STOPPED,
        JobStatus.EXPIRED,
    }


def test_the_statuses_are_those_of_the_service() -> None:
    import botocore.session  # noqa: PLC0415 - its service model is the authority

    model = botocore.session.get_session().get_service_model("bedrock")
    assert {status.value for status in JobStatus} == set(model.shape_for("ModelInvocationJobStatus").metadata["enum"])


def test_a_status_nobody_has_heard_of_still_works() -> None:
    assert not has_ended("Pondering")


@pytest.mark.parametrize(
    ("wish", "calls", "min_titles", "lane"),
    [
        (Lane.AUTO, 10**6, None, Lane.ON_DEMAND),
        (Lane.AUTO, 499, 500, Lane.ON_DEMAND),
        (Lane.AUTO, 500, 500, Lane.BATCH),
        (Lane.ON_DEMAND, 10**6, 500, Lane.ON_DEMAND),
        (Lane.BATCH, MIN_RECORDS, 500, Lane.BATCH),
        (Lane.BATCH, MIN_RECORDS - 1, 500, Lane.ON_DEMAND),
    ],
)
def test_the_lane_follows_wish_setting_and_the_services_minimum(
    wish: Lane, calls: int, min_titles: int | None, lane: Lane
) -> None:
    assert choose_lane(wish, calls, min_titles) is lane


def test_a_lane_that_is_off_can_not_be_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="MANGA_BATCH_MIN_TITLES"):
        choose_lane(Lane.BATCH, 1000, None)


def test_a_model_without_a_batch_price_is_refused_by_name_with_the_way_out() -> None:
    models = load_models()
    with pytest.raises(ConfigurationError) as refusal:
        check_batch_model(models.resolve("haiku"), "haiku")
    for word in (models.resolve("haiku").model_id, "MANGA_MODEL_ALIASES", "haiku-batch"):
        assert word in str(refusal.value)
    check_batch_model(models.resolve(BATCH_ALIAS), BATCH_ALIAS)


def test_waiting_for_a_batch_is_a_passing_deferral() -> None:
    treatment = TREATMENTS[ErrorClass.BATCH_PENDING]
    assert (treatment.outcome, treatment.transient) == (Outcome.DEFERRED, True)
