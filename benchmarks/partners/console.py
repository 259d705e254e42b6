"""Dagster's GraphQL, as its UI uses it.

Belongs here: launching a job or a backfill, and waiting for runs. Stays out: processes (`site.py`).
"""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_SECONDS = 60.0
_REPOSITORY = {"repositoryLocationName": "manga_enrichment", "repositoryName": "__repository__"}
_LAUNCH = """mutation L($given: ExecutionParams!) { launchRun(executionParams: $given) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_BACKFILL = """mutation B($given: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $given) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_STATUS = "query S($given: ID!) { runOrError(runId: $given) { ... on Run { status } } }"
_STEPS = """query T($given: ID!) { runOrError(runId: $given) { ... on Run { creationTime startTime endTime
  stepStats { stepKey startTime endTime } } } }"""
_COUNT = "{ runsOrError { ... on Runs { count } } }"
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


class Console:
    def __init__(self, url: str) -> None:
        self._url = f"{url}/graphql"
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def run(self, job: str, tags: Mapping[str, str], meanwhile: Callable[[], None] = lambda: None) -> str:
        """Launch a job, wait for its success, give its id. meanwhile: called as it waits. Raises RuntimeError."""
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        given = {"selector": {**_REPOSITORY, "jobName": job}, "mode": "default", "executionMetadata": metadata}
        launched = self._ask(_LAUNCH, given)["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(f"{job} was not launched: {launched}")
        run_id = str(launched["run"]["runId"])
        while (status := self._ask(_STATUS, run_id)["runOrError"]["status"]) not in _ENDED:
            meanwhile()
            time.sleep(0.25)
        if status != "SUCCESS":
            raise RuntimeError(f"{job} ended as {status}")
        return run_id

    def timed(self, run_id: str) -> dict[str, Any]:
        """When a run was launched, began and ended, and its steps, in seconds since 1970."""
        found: dict[str, Any] = self._ask(_STEPS, run_id)["runOrError"]
        return found

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> None:
        keys = [{"path": [asset]} for asset in assets]
        given = {"assetSelection": keys, "partitionNames": list(partitions)}
        launched = self._ask(_BACKFILL, given)["launchPartitionBackfill"]
        if launched["__typename"] != "LaunchBackfillSuccess":
            raise RuntimeError(f"no backfill of {assets}: {launched}")

    def runs(self) -> int:
        """How many runs Dagster knows of."""
        return int(self._ask(_COUNT, None)["runsOrError"]["count"])

    def _ask(self, query: str, given: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": {} if given is None else {"given": given}}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
        with self._direct.open(request, timeout=_SECONDS) as response:
            answer = json.loads(response.read())
        if answer.get("errors"):
            raise RuntimeError(str(answer["errors"][0]["message"]))
        data: dict[str, Any] = answer["data"]
        return data
