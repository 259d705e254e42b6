"""Collecting a job: what counts goes to the ledger, what was billed to the log, what is left to the next run."""

from dataclasses import replace

import pytest

from manga_enrichment.domain.models.batch_jobs import JobStatus
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment_tests.batch_world import MODEL, NAME, BatchWorld
from manga_enrichment_tests.builders import entry, record, title_id
from manga_enrichment_tests.fake_batch import MISSING, Step
from manga_enrichment_tests.fakes import DEFAULT_USAGE

ONE = cost_micro_usd(DEFAULT_USAGE, MODEL.price, batch=True)
ANSWER = {"primary_genre": "drama", "genres": [{"genre": "drama", "confidence": 0.9}], "themes": ["home"]}
BROKEN = ModelReply("tool_use", {"primary_genre": "no such genre"}, DEFAULT_USAGE)
CUT = ModelReply("max_tokens", {}, DEFAULT_USAGE)
REFUSED = ModelReply("refusal", None, DEFAULT_USAGE)
FILTERED = ModelReply("content_filtered", None, DEFAULT_USAGE)


def collected(script: dict[str, Step] | None = None, ends_as: JobStatus = JobStatus.COMPLETED) -> BatchWorld:
    world = BatchWorld()
    world.batch.script.update(script or {})
    world.batch.ends_as = ends_as
    world.start()
    world.follow()
    return world


def test_answers_are_entries_of_the_run_that_paid_at_the_batch_price() -> None:
    world = collected()
    entries = world.world.ledger.entries.values()
    assert {each.manga_id for each in entries} == {title_id(number) for number in range(1, 6)}
    for each in entries:
        assert (each.lane, each.provenance.run_id, each.cost_micro_usd) == ("batch", "run-1", ONE)
        assert each.outcome is Outcome.SUCCEEDED
        assert len(each.attempts) == 1
    assert cost_micro_usd(DEFAULT_USAGE, MODEL.price) == 2 * ONE


def test_the_ordinary_run_afterwards_bills_nothing_and_has_every_row() -> None:
    world = collected()
    assert len(world.publish()) == 5
    assert world.world.model.sent == []
    assert world.world.logged_cost_micro_usd() == world.batch.billed_micro_usd == world.money()[1]
    assert world.world.ledger.claimed == {}


def test_the_log_has_the_cost_before_any_run_writes_a_table() -> None:
    world = collected()
    rows = world.world.log()
    assert {(row["lane"], row["status"], row["dagster_run_id"]) for row in rows} == {("batch", "succeeded", "run-1")}
    assert world.world.logged_cost_micro_usd() == world.batch.billed_micro_usd


def test_an_answer_is_kept_without_what_nobody_should_see() -> None:
    genres = [{"genre": "drama", "confidence": 0.9}]
    said = {"primary_genre": "drama\u200b", "genres": genres, "themes": ["first\x1b[2J love", "\u202ehome"]}
    world = collected({title_id(1): ModelReply("tool_use", said, DEFAULT_USAGE)})
    (kept,) = (each.answer for each in world.world.ledger.entries.values() if each.manga_id == title_id(1))
    assert kept == {"primary_genre": "drama", "genres": genres, "themes": ["first[2J love", "home"]}


def test_an_answer_that_is_blank_without_it_goes_back_and_is_asked_on_demand() -> None:
    said = {"primary_genre": "drama", "genres": [{"genre": "drama", "confidence": 0.9}], "themes": ["\u3164\u200b\x00"]}
    world = collected({title_id(1): ModelReply("tool_use", said, DEFAULT_USAGE)})
    assert title_id(1) not in {each.manga_id for each in world.world.ledger.entries.values()}
    assert len(world.publish()) == 5


@pytest.mark.parametrize("final", [REFUSED, FILTERED])
def test_a_refusal_is_remembered_and_not_asked_again(final: ModelReply) -> None:
    world = collected({title_id(1): final})
    assert len(world.publish()) == 4
    assert world.world.model.sent == []
    assert world.world.outcomes(NAME)[title_id(1)]["outcome"] == "failed"
    assert world.world.logged_cost_micro_usd() == world.batch.billed_micro_usd


@pytest.mark.parametrize("wasted", [BROKEN, CUT])
def test_an_answer_that_does_not_count_is_paid_logged_and_asked_on_demand(wasted: ModelReply) -> None:
    world = collected({title_id(1): wasted})
    assert title_id(1) not in {each.manga_id for each in world.world.ledger.entries.values()}
    assert world.money() == (5 * ONE, 5 * ONE)
    assert len(world.publish()) == 5
    assert [sent.manga_id for sent in world.world.model.sent] == [title_id(1)]
    logged = [row for row in world.world.log() if row["manga_id"] == title_id(1) and row["lane"] == "batch"]
    assert [(row["status"], row["cost_micro_usd"]) for row in logged if row["attempt"]] == [("retried", ONE)]


@pytest.mark.parametrize("lost", [ErrorClass.MODEL_ERROR, ErrorClass.INVALID_REQUEST, ErrorClass.THROTTLED])
def test_a_record_with_an_error_costs_nothing_and_goes_back(lost: ErrorClass) -> None:
    world = collected({title_id(2): lost})
    assert world.money() == (4 * ONE, 4 * ONE)
    assert world.world.ledger.claimed == {}
    assert len(world.publish()) == 5
    assert [sent.manga_id for sent in world.world.model.sent] == [title_id(2)]


def test_a_record_without_a_line_goes_back_and_is_counted() -> None:
    world = collected({title_id(3): MISSING})
    counts = [world.store.settlement(token).records for token in world.store.stages()]
    assert sum(each.get("missing", 0) for each in counts) == 1
    assert len(world.publish()) == 5


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.EXPIRED, JobStatus.STOPPED])
def test_a_job_without_output_gives_back_titles_and_money(status: JobStatus) -> None:
    world = collected(ends_as=status)
    assert set(world.settlements().values()) == {status.value}
    assert (world.money(), world.world.ledger.claimed) == ((0, 0), {})
    assert len(world.publish()) == 5
    assert len(world.world.model.sent) == 5


def test_titles_of_an_expired_job_fit_into_a_new_one() -> None:
    world = collected(ends_as=JobStatus.EXPIRED)
    world.batch.ends_as = JobStatus.COMPLETED
    assert world.start("run-2").error_classes == {"batch_pending": 5}
    world.follow()
    assert len(world.publish("run-3")) == 5
    assert set(world.batch.billed.values()) == {1}


def test_half_a_job_is_kept_and_the_other_half_goes_back() -> None:
    world = collected(ends_as=JobStatus.PARTIALLY_COMPLETED)
    kept = len(world.world.ledger.entries)
    assert 0 < kept < 5
    assert len(world.publish()) == 5
    assert len(world.world.model.sent) == 5 - kept


def test_a_job_the_service_forgot_gives_its_titles_back() -> None:
    world = BatchWorld(titles=3)
    world.start()
    world.batch.created.clear()
    world.look()
    assert set(world.settlements().values()) == {"Failed"}
    assert (world.money(), world.world.ledger.claimed) == ((0, 0), {})


def test_an_answer_that_came_second_is_booked_and_logged_beside_the_one_that_stands() -> None:
    world = BatchWorld(titles=3)
    world.start()
    (token,) = world.store.stages()
    titles = world.store.titles(token)
    stolen = next(iter(titles.values())).fingerprint
    other = entry(NAME, record(1))
    world.world.ledger.put_many([replace(other, fingerprint=stolen)], "fast lane")
    world.follow()
    assert world.world.ledger.entries[stolen].lane == "on_demand"
    assert world.store.settlement(token).records == {"succeeded": 2, "answered_elsewhere": 1}
    assert world.money() == (3 * ONE, 3 * ONE)
    assert world.world.logged_cost_micro_usd() == 3 * ONE


def test_a_look_without_time_collects_nothing_and_the_next_one_does() -> None:
    world = BatchWorld(titles=3)
    world.start()
    for _ in range(4):
        world.look()
    seen = world.look(until=0)
    assert list(seen.waiting.values()) == ["not looked at yet"]
    assert not world.look().waiting
    assert len(world.publish()) == 3


def test_usage_of_any_size_is_booked_to_the_micro_dollar() -> None:
    odd = ModelReply("refusal", None, Usage(1234, 77))
    world = collected({title_id(4): odd})
    assert world.money()[1] == world.batch.billed_micro_usd == world.world.logged_cost_micro_usd()


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (Usage(900, 2**64 - 1), f"the model told {2**64 - 1} output tokens where at most {MODEL.max_output_tokens}"),
        (Usage(2**63 - 1, 60), f"the model told {2**63 - 1} input tokens where at most {MODEL.max_input_tokens}"),
        (Usage(900, 60, MODEL.max_input_tokens), f"the model told {MODEL.max_input_tokens + 900} input tokens"),
        (Usage(900, -1), "the model told a negative number of tokens"),
    ],
    ids=["output", "input", "cache read", "negative"],
)
def test_usage_that_cannot_be_true_keeps_its_answer_and_is_booked_at_the_estimate(usage: Usage, said: str) -> None:
    world = BatchWorld(titles=3)
    world.start()
    world.batch.script[title_id(1)] = ModelReply("tool_use", ANSWER, usage)
    world.follow()
    (token,) = world.store.stages()
    share = -(-world.store.job(token).reserve_micro_usd // 3)
    (entry_of_one,) = (each for each in world.world.ledger.entries.values() if each.manga_id == title_id(1))
    (attempt,) = entry_of_one.attempts
    assert entry_of_one.answer == ANSWER
    assert (attempt.cost_micro_usd, attempt.usage, attempt.maybe_billed) == (share, Usage(), True)
    assert attempt.message.startswith(f"booked at the estimate: {said}")
    assert world.money() == (2 * ONE + share, 2 * ONE + share)
    assert world.world.logged_cost_micro_usd() == 2 * ONE + share
    (row,) = (row for row in world.world.log() if row["manga_id"] == title_id(1))
    assert (row["status"], row["maybe_billed"], row["message"]) == ("succeeded", True, attempt.message)
