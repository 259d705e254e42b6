"""The work of a batch job: input records to output records, billed at the batch price.

Belongs here: reading, answering and writing JSONL. Stays out: a job's states in time (`jobs.py`).
Formats and limits: "Format and upload your batch inference data" and "View the results of a batch inference job",
Bedrock user guide.
"""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import orjson

from manga_enrichment.domain.models.batch_jobs import MIN_RECORDS, JobStatus
from manga_enrichment.domain.models.usage import NO_USAGE, Usage
from manga_enrichment.local.model_server.answers.answering import answer, break_answer, refuse
from manga_enrichment.local.model_server.batch.files import BatchFiles
from manga_enrichment.local.model_server.batch.jobs import ServerJob, until_in_progress
from manga_enrichment.local.model_server.faults import FaultKind
from manga_enrichment.local.model_server.protocol import claude_messages, converse
from manga_enrichment.local.model_server.protocol.checks import check_request
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest, Reply
from manga_enrichment.local.model_server.protocol.validation import ServiceError, invalid
from manga_enrichment.local.model_server.state import ServerState

_TOOLS_REFUSED = "Tool calling is not supported for batch inference with the Converse invocation type"


@dataclass(slots=True)
class _Output:
    """The lines of one output file, and the sums of the manifest."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0
    usage: Usage = NO_USAGE


async def run_job(state: ServerState, job: ServerJob, files: BatchFiles) -> None:
    """Bring a job to its end; whatever goes wrong on the way makes it Failed."""
    switches = state.faults.settings.batch
    try:
        inputs = await asyncio.to_thread(files.inputs, job.input_uri)
        expires = switches.ends_as == JobStatus.EXPIRED.value
        if not await until_in_progress(job, step_seconds=switches.step_seconds, expires=expires):
            return
        records = {name: [orjson.loads(line) for line in content.splitlines()] for name, content in inputs.items()}
        total = sum(map(len, records.values()))
        job.counts["totalRecordCount"] = total
        if total < MIN_RECORDS:
            job.enter(JobStatus.FAILED, f"The job has {total} records; it takes no fewer than {MIN_RECORDS}.")
        elif switches.ends_as == JobStatus.FAILED.value:
            job.enter(JobStatus.FAILED, "The offline server was told to fail the job.")
        else:
            await _answer_all(state, job, records, files)
            stopped = job.status is JobStatus.STOPPING
            job.enter(JobStatus.STOPPED if stopped else JobStatus(switches.ends_as))
    except Exception as error:  # noqa: BLE001 (a job tells its owner, not the server's log)
        job.status, job.message = JobStatus.FAILED, f"{type(error).__name__}: {error}"[:2000]


async def _answer_all(state: ServerState, job: ServerJob, records: dict[str, list[Any]], files: BatchFiles) -> None:
    """One output file per input file, shuffled, and the manifest. A stopped job keeps what it has."""
    halved = state.faults.settings.batch.ends_as == JobStatus.PARTIALLY_COMPLETED.value
    output = _Output()
    for name, own in records.items():
        output.lines = []
        for record in own[: len(own) // 2] if halved else own:
            if job.status is JobStatus.STOPPING:
                break
            await asyncio.sleep(0)  # on-demand calls go on meanwhile
            _answer(state, job, record, output)
        random.Random(job.arn + name).shuffle(output.lines)
        content = b"".join(orjson.dumps(line) + b"\n" for line in output.lines)
        await asyncio.to_thread(files.write, job.output_uri(f"{name}.out"), content)
    job.counts["processedRecordCount"] = output.succeeded + output.failed
    job.counts["successRecordCount"], job.counts["errorRecordCount"] = output.succeeded, output.failed
    tokens = {"inputTokenCount": output.usage.input_tokens, "outputTokenCount": output.usage.output_tokens}
    await asyncio.to_thread(files.write, job.output_uri("manifest.json.out"), orjson.dumps({**job.counts, **tokens}))


def _answer(state: ServerState, job: ServerJob, record: Any, output: _Output) -> None:
    """One record to one line, or to none where the switches want it lost."""
    switches = state.faults.settings.batch
    line = {"recordId": record.get("recordId", ""), "modelInput": record.get("modelInput")}
    luck = random.Random(f"{state.faults.settings.seed}:{line['recordId']}").random()
    state.meter.arrived()
    try:
        if luck < switches.record_error_probability:
            state.meter.failed(job.spec)
            raise ServiceError("InternalServerException", "The offline server was told to fail the record.")
        reply, usage = _billed_reply(state, job, line["modelInput"])
        output.succeeded, output.usage = output.succeeded + 1, output.usage + usage
        if luck <= 1 - switches.missing_probability:
            output.lines.append({**line, "modelOutput": reply})
    except ServiceError as error:
        output.failed += 1
        output.lines.append({**line, "error": {"errorCode": error.status_code, "errorMessage": error.message}})
    finally:
        state.meter.left()


def _billed_reply(state: ServerState, job: ServerJob, model_input: Any) -> tuple[dict[str, Any], Usage]:
    request, fault = _read(state, job, model_input), FaultKind.NONE
    state.meter.accepted(job.spec)
    drawn = state.faults.draw(request.digest).kind
    if drawn in {FaultKind.REFUSAL, FaultKind.CONTENT_FILTERED, FaultKind.INVALID_ANSWER}:
        fault = drawn
    reply = _reply(job, request, fault)
    usage = Usage(request.input_tokens, reply.output_tokens)  # batch inference has no prompt cache
    state.meter.bill(job.spec, request.digest, usage, fault, batch=True)
    dialect = converse if job.is_converse else claude_messages
    return dialect.render(job.spec.model_id, request, reply, usage, 0), usage


def _read(state: ServerState, job: ServerJob, model_input: Any) -> ModelRequest:
    try:
        dialect = converse if job.is_converse else claude_messages
        request: ModelRequest = dialect.parse(job.spec.model_id, model_input)
        if job.is_converse and request.tools:
            raise invalid(_TOOLS_REFUSED)
        check_request(job.spec, request)
    except ServiceError:
        state.meter.rejected()
        raise
    return request


def _reply(job: ServerJob, request: ModelRequest, fault: FaultKind) -> Reply:
    if fault in {FaultKind.REFUSAL, FaultKind.CONTENT_FILTERED}:
        return refuse(filtered=fault is FaultKind.CONTENT_FILTERED)
    reply = answer(job.spec, request)
    return break_answer(reply, request) if fault is FaultKind.INVALID_ANSWER else reply
