"""BatchInference on Bedrock: jobs by the control plane, records as JSONL on S3.

Record and file formats: "Format and upload your batch inference data" and "View the results of a batch inference job",
Bedrock user guide. Output is `<prefix><job id>/<input file>.out` beside `manifest.json.out`, in any order.
"""

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.bedrock.claude_messages import model_input, model_reply
from manga_enrichment.aws.clients import AwsClients, BrokenAnswerError, raise_explained
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import MAX_FILE_BYTES, ROLE_SETTING, JobStatus
from manga_enrichment.domain.operations.stages import staged
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.batch import BatchOrder, BatchReply, BatchState
from manga_enrichment.gateways.errors import BatchUnavailableError
from manga_enrichment.gateways.model import ModelCall

_HELD_IN_MEMORY_BYTES = 16_000_000
# One connection: the upload runs inside an op that has its own threads, and a file is rarely above 100 MB.
_TRANSFER = TransferConfig(use_threads=False)
# Said of the order itself; everything else (throttling, too many jobs, 5xx, no connection) passes with time.
_NEVER = frozenset({"ValidationException", "AccessDeniedException", "ResourceNotFoundException", "ConflictException"})
_UNKNOWN_JOB = "ResourceNotFoundException"
_NOTHING_TO_STOP = (_UNKNOWN_JOB, "ConflictException")


class BedrockBatch:
    def __init__(self, clients: AwsClients, *, bucket: str, role_arn: str, stage: str = "") -> None:
        """role_arn: the role that Bedrock takes to read and write `bucket`. stage: before the names of jobs.

        Clients are made when a job needs them.
        """
        self._clients = clients
        self._bucket = bucket
        self._role_arn = role_arn
        self._stage = stage

    def upload(self, key: str, records: Iterable[tuple[str, ModelCall]]) -> None:
        with tempfile.SpooledTemporaryFile(max_size=_HELD_IN_MEMORY_BYTES) as file:
            for record_id, call in records:
                file.write(orjson.dumps({"recordId": record_id, "modelInput": model_input(call)}) + b"\n")
            if file.tell() > MAX_FILE_BYTES:
                raise ConfigurationError(f"A batch input of {file.tell()} bytes is larger than Bedrock takes")
            file.seek(0)
            with self._passing():
                self._clients.s3.upload_fileobj(file, self._bucket, key, Config=_TRANSFER)

    def create(self, order: BatchOrder) -> str:
        if not self._role_arn:
            raise ConfigurationError(f"A batch job needs a role that Bedrock takes: set {ROLE_SETTING} (docs/batch.md)")
        with self._passing():
            created = self._clients.bedrock.create_model_invocation_job(
                jobName=staged(self._stage, order.name),
                clientRequestToken=order.token,
                roleArn=self._role_arn,
                modelId=order.model_id,
                modelInvocationType="InvokeModel",
                inputDataConfig={"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": self._uri(order.input_key)}},
                outputDataConfig={"s3OutputDataConfig": {"s3Uri": self._uri(order.output_prefix)}},
                timeoutDurationInHours=order.timeout_hours,
            )
        return str(created["jobArn"])

    def find(self, name: str) -> str | None:
        name = staged(self._stage, name)
        pages = self._clients.bedrock.get_paginator("list_model_invocation_jobs").paginate(
            nameContains=name, sortBy="CreationTime", sortOrder="Descending"
        )
        with self._passing():
            summaries = (summary for page in pages for summary in page["invocationJobSummaries"])
            return next((str(each["jobArn"]) for each in summaries if each["jobName"] == name), None)

    def state(self, job_id: str) -> BatchState:
        try:
            with self._passing(unless=(_UNKNOWN_JOB,)):
                job = self._clients.bedrock.get_model_invocation_job(jobIdentifier=job_id)
        except ClientError as error:
            return BatchState(JobStatus.FAILED.value, f"Bedrock knows the job no more: {error}"[:300])
        return BatchState(str(job["status"]), str(job.get("message", "")), job.get("endTime"))

    def stop(self, job_id: str) -> None:
        try:
            with self._passing(unless=_NOTHING_TO_STOP):
                self._clients.bedrock.stop_model_invocation_job(jobIdentifier=job_id)
        except ClientError:
            return

    def replies(self, output_prefix: str, job_id: str) -> Iterator[BatchReply]:
        prefix = f"{output_prefix}{job_id.rpartition('/')[2]}/"
        with self._passing():
            pages = self._clients.s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
            for key in sorted(key for key in keys if key.endswith(".jsonl.out")):
                body = self._clients.s3.get_object(Bucket=self._bucket, Key=key)["Body"]
                for line in body.iter_lines(chunk_size=64 * 1024):
                    if line.strip():
                        yield parse_record(line)

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    @contextmanager
    def _passing(self, unless: Collection[str] = ()) -> Iterator[None]:
        """What time mends as BatchUnavailableError, what a setting mends as ConfigurationError, `unless` as it is."""
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in unless:
                raise
            if code in _NEVER:
                raise ConfigurationError(
                    f"Bedrock refuses the batch job: {error}. Check {ROLE_SETTING}, the model and the region"
                ) from error
            raise_explained(error, f"The S3 bucket {self._bucket}", "MANGA_BUCKET", BatchUnavailableError)
        except (BotoCoreError, BrokenAnswerError) as error:
            raise BatchUnavailableError(str(error)) from error


def parse_record(line: bytes) -> BatchReply:
    """One line of a job's output. A line that is no record has the record id "", which no title has."""
    try:
        record = orjson.loads(line)
        record_id = str(record["recordId"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return BatchReply("", error=ModelError(ErrorClass.TRUNCATED_ANSWER, "the line is not a record"))
    if (failure := record.get("error")) is not None:
        return BatchReply(record_id, error=_record_error(failure))
    try:
        return BatchReply(record_id, model_reply(record.get("modelOutput")))
    except ModelError as error:
        return BatchReply(record_id, error=error)


def _record_error(failure: Any) -> ModelError:
    """errorCode is an HTTP status: 4xx is about the record, the rest about the moment."""
    code = failure.get("errorCode") if isinstance(failure, dict) else None
    message = str(failure.get("errorMessage", "") if isinstance(failure, dict) else failure)
    if code == 429:
        return ModelError(ErrorClass.THROTTLED, message)
    is_about_record = isinstance(code, int) and 400 <= code < 500
    return ModelError(ErrorClass.INVALID_REQUEST if is_about_record else ErrorClass.MODEL_ERROR, f"{code}: {message}")
