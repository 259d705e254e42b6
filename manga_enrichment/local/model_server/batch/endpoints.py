"""The control plane of batch inference: create, get, list and stop a model invocation job.

Belongs here: HTTP and the checks of a request; paths and shapes are those of botocore's bedrock service model. Stays
out: the jobs themselves (`jobs.py`, `work.py`).
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from manga_enrichment.domain.models.batch_jobs import MAX_TIMEOUT_HOURS, MIN_TIMEOUT_HOURS, JobStatus
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.local.model_server.batch.jobs import BatchJobs, ServerJob
from manga_enrichment.local.model_server.batch.work import run_job
from manga_enrichment.local.model_server.calls import error_response, json_response
from manga_enrichment.local.model_server.protocol.checks import find_model
from manga_enrichment.local.model_server.protocol.validation import (
    ServiceError,
    expect_name,
    expect_object,
    invalid,
    parse_json,
)
from manga_enrichment.local.model_server.state import ServerState

_JOB_NAME = re.compile(r"(?=.{1,63}\Z)[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9+\-.]){0,63}\Z")
_TOKEN = re.compile(r"[a-zA-Z0-9]{1,256}(-*[a-zA-Z0-9]){0,256}\Z")
_ROLE = re.compile(r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+\Z")
_URI = re.compile(r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]/.+\Z")
_KEYS = frozenset(
    [
        "jobName",
        "roleArn",
        "clientRequestToken",
        "modelId",
        "inputDataConfig",
        "outputDataConfig",
        "vpcConfig",
        "timeoutDurationInHours",
        "tags",
        "modelInvocationType",
    ]
)
_PAGE_SIZE = 100


async def create_job(http: Request) -> Response:
    """POST /model-invocation-job"""
    state: ServerState = http.app.state.server
    try:
        body = expect_object(parse_json(await http.body()), "#", _KEYS)
        spec = _check(state, body)
        files = state.batch.files
        if files is None:
            raise invalid("The offline server was started without --s3-endpoint: it can read no batch input")
    except ServiceError as error:
        return error_response(error)
    job, is_new = state.batch.add(body, spec)
    if is_new:
        task = asyncio.create_task(run_job(state, job, files))
        state.batch.tasks.add(task)
        task.add_done_callback(state.batch.tasks.discard)
    return json_response({"jobArn": job.arn})


async def get_job(http: Request) -> Response:
    """GET /model-invocation-job/{jobIdentifier}"""
    try:
        return json_response(_find(http).description())
    except ServiceError as error:
        return error_response(error)


async def list_jobs(http: Request) -> Response:
    """GET /model-invocation-jobs, by name, status and time; newest first unless asked otherwise"""
    asked = http.query_params
    jobs = [job.description() for job in _jobs(http).jobs.values() if _is_listed(job, asked)]
    if asked.get("sortOrder") != "Ascending":
        jobs.reverse()
    start = int(asked.get("nextToken", "0"))
    end = start + int(asked.get("maxResults", _PAGE_SIZE))
    page: dict[str, Any] = {"invocationJobSummaries": jobs[start:end]}
    if end < len(jobs):
        page["nextToken"] = str(end)
    return json_response(page)


async def stop_job(http: Request) -> Response:
    """POST /model-invocation-job/{jobIdentifier}/stop"""
    try:
        job = _find(http)
        try:
            job.enter(JobStatus.STOPPING)
        except ValueError as error:
            raise ServiceError("ConflictException", str(error)) from error
    except ServiceError as error:
        return error_response(error)
    return json_response({})


def _is_listed(job: ServerJob, asked: Mapping[str, str]) -> bool:
    shown = job.description()
    return (
        asked.get("nameContains", "") in shown["jobName"]
        and asked.get("statusEquals", shown["status"]) == shown["status"]
        and asked.get("submitTimeAfter", "") <= shown["submitTime"] <= asked.get("submitTimeBefore", "9")
    )


def _check(state: ServerState, body: Mapping[str, Any]) -> ModelSpec:
    _expect_match(_JOB_NAME, body.get("jobName"), "jobName")
    _expect_match(_ROLE, body.get("roleArn"), "roleArn")
    if "clientRequestToken" in body:
        _expect_match(_TOKEN, body["clientRequestToken"], "clientRequestToken")
    if body.get("modelInvocationType", "InvokeModel") not in ("InvokeModel", "Converse"):
        raise invalid("modelInvocationType must be InvokeModel or Converse")
    hours = body.get("timeoutDurationInHours", MIN_TIMEOUT_HOURS)
    if not isinstance(hours, int) or not MIN_TIMEOUT_HOURS <= hours <= MAX_TIMEOUT_HOURS:
        raise invalid(f"timeoutDurationInHours must be from {MIN_TIMEOUT_HOURS} to {MAX_TIMEOUT_HOURS}")
    for name, inner in (("inputDataConfig", "s3InputDataConfig"), ("outputDataConfig", "s3OutputDataConfig")):
        config = expect_object(expect_object(body.get(name), name).get(inner), f"{name}.{inner}")
        _expect_match(_URI, config.get("s3Uri"), f"{name}.{inner}.s3Uri")
    spec = find_model(state.models, expect_name(body.get("modelId"), "modelId"))
    if not spec.price.has_batch:
        raise invalid(f"{spec.model_id} does not support batch inference")
    return spec


def _expect_match(pattern: re.Pattern[str], value: Any, where: str) -> None:
    if not pattern.match(expect_name(value, where)):
        raise invalid(f"{where} does not match its pattern")


def _find(http: Request) -> ServerJob:
    identifier = http.path_params["job_id"]
    job = _jobs(http).find(identifier)
    if job is None:
        raise ServiceError("ResourceNotFoundException", f"There is no model invocation job {identifier!r}")
    return job


def _jobs(http: Request) -> BatchJobs:
    jobs: BatchJobs = http.app.state.server.batch
    return jobs
