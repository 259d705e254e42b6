"""BatchInference: the fake and Bedrock's batch jobs keep the same promises."""

import asyncio
from collections.abc import Iterator

import pytest

from manga_enrichment.aws.bedrock.batch import BedrockBatch
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.models.batch_jobs import MIN_RECORDS, has_ended
from manga_enrichment.gateways.batch import BatchInference, BatchOrder, BatchReply
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.local.stack.endpoints import BATCH_ROLE_ARN
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.contracts.prompts import inputs, make_request, model
from manga_enrichment_tests.fake_batch import MemoryBatch
from manga_enrichment_tests.fakes import FakeClock

NAME = "reading_level"
SPEC = model("haiku-batch")
MOST_LOOKS = 600


@pytest.fixture
def batch(kind: str, clock: FakeClock, request: pytest.FixtureRequest) -> BatchInference:
    if kind == "fake":
        return MemoryBatch(clock)
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in stack.environment().items():
            environment.setenv(name, value)
        assert clients.bedrock
    return BedrockBatch(clients, bucket=stack.endpoints.bucket, role_arn=BATCH_ROLE_ARN)


def order(unique: str, name: str = "job") -> BatchOrder:
    return BatchOrder(
        token=f"{unique}{name}",
        name=f"{unique}-{name}",
        model_id=SPEC.model_id,
        input_key=f"batch/{unique}/input/records.jsonl",
        output_prefix=f"batch/{unique}/output/",
        timeout_hours=24,
    )


def records(count: int = MIN_RECORDS) -> Iterator[tuple[str, ModelCall]]:
    request = make_request(NAME, SPEC)
    return ((f"record{number:026d}", request) for number in range(count))


async def ended(batch: BatchInference, job_id: str, pause_seconds: float) -> str:
    for _ in range(MOST_LOOKS):
        state = batch.state(job_id)
        if has_ended(state.status):
            assert state.ended_at is not None
            return state.status
        await asyncio.sleep(pause_seconds)
    raise AssertionError("the job does not end")


async def test_a_job_answers_every_record_under_its_id_in_whatever_order(
    batch: BatchInference, kind: str, unique: str
) -> None:
    batch.upload(order(unique).input_key, records())
    job_id = batch.create(order(unique))
    assert await ended(batch, job_id, pause_seconds=0.02 if kind == "real" else 0) == "Completed"
    written = batch.replies(order(unique).output_prefix, job_id)
    replies: dict[str, BatchReply] = {each.record_id: each for each in written}
    assert set(replies) == {record_id for record_id, _ in records()}
    for each in replies.values():
        assert each.reply is not None
        assert each.reply.answer is not None
        assert answer_problems(ANALYSES[NAME], each.reply.answer, inputs(ANALYSES[NAME])) == []
        assert each.reply.usage.input_tokens > 0
        assert each.reply.usage.cache_read_tokens == each.reply.usage.cache_write_tokens == 0


def test_the_same_token_is_the_same_job_whatever_it_is_called(batch: BatchInference, unique: str) -> None:
    batch.upload(order(unique).input_key, records())
    first = batch.create(order(unique))
    assert batch.create(order(unique)) == first


def test_another_token_is_another_job(batch: BatchInference, unique: str) -> None:
    batch.upload(order(unique).input_key, records())
    assert batch.create(order(unique, "one")) != batch.create(order(unique, "two"))


def test_a_job_is_found_by_its_whole_name_only(batch: BatchInference, unique: str) -> None:
    batch.upload(order(unique).input_key, records())
    job_id = batch.create(order(unique))
    assert batch.find(order(unique).name) == job_id
    assert batch.find(unique) is None
    assert batch.find(f"{unique}-other") is None


async def test_a_job_that_was_stopped_ends_as_stopped_and_can_be_stopped_again(
    batch: BatchInference, unique: str, kind: str
) -> None:
    batch.upload(order(unique).input_key, records())
    job_id = batch.create(order(unique))
    batch.stop(job_id)
    batch.stop(job_id)
    assert await ended(batch, job_id, pause_seconds=0.02 if kind == "real" else 0) == "Stopped"
    batch.stop(job_id)
    assert batch.state(job_id).status == "Stopped"


async def test_stopping_what_has_ended_changes_nothing(batch: BatchInference, unique: str, kind: str) -> None:
    batch.upload(order(unique).input_key, records())
    job_id = batch.create(order(unique))
    assert await ended(batch, job_id, pause_seconds=0.02 if kind == "real" else 0) == "Completed"
    batch.stop(job_id)
    assert batch.state(job_id).status == "Completed"


def test_stopping_a_job_that_nobody_knows_does_nothing(batch: BatchInference) -> None:
    batch.stop("arn:aws:bedrock:ap-northeast-1:123456789012:model-invocation-job/000000000000")


def test_a_job_that_nobody_knows_has_failed(batch: BatchInference) -> None:
    unknown = "arn:aws:bedrock:ap-northeast-1:123456789012:model-invocation-job/000000000000"
    assert batch.state(unknown).status == "Failed"
    assert list(batch.replies("batch/nowhere/output/", unknown)) == []
