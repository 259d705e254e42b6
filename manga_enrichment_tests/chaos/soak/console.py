"""What a person does in the Dagster UI, over its GraphQL: launch jobs and backfills, look at runs and assets.

Belongs here: queries. Stays out: when and why (`day.py`).
"""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from manga_enrichment_tests.chaos.soak import code_location

_SECONDS = 60.0
_REPOSITORY = {"repositoryLocationName": code_location.__name__, "repositoryName": "__repository__"}
_LAUNCH = """mutation Launch($given: ExecutionParams!) { launchRun(executionParams: $given) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
_BACKFILL = """mutation Backfill($given: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $given) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_LOOK = """{ runsOrError(limit: 25) { ... on Runs { results { runId status jobName startTime tags { key value } } } }
  assetNodes { assetKey { path } groupName assetMaterializations(limit: 3) { timestamp partition } } }"""


class ConsoleError(RuntimeError):
    """The webserver did not do as asked; says what it said."""


class Console:
    """url: of the webserver."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/graphql"
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def launch(self, job: str, tags: Mapping[str, str]) -> str:
        """The run's id. Raises ConsoleError."""
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        given = {"selector": {**_REPOSITORY, "jobName": job}, "mode": "default", "executionMetadata": metadata}
        answer = self._ask(_LAUNCH, given)["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise ConsoleError(f"{job} was not launched: {answer}")
        return str(answer["run"]["runId"])

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """The backfill's id. Raises ConsoleError."""
        keys = [{"path": [asset]} for asset in assets]
        answer = self._ask(_BACKFILL, {"assetSelection": keys, "partitionNames": list(partitions)})
        launched = answer["launchPartitionBackfill"]
        if launched["__typename"] != "LaunchBackfillSuccess":
            raise ConsoleError(f"no backfill of {', '.join(assets)}: {launched}")
        return str(launched["backfillId"])

    def look(self) -> int:
        """Read what the pages of runs and assets show; how many assets there are."""
        return len(self._ask(_LOOK, {})["assetNodes"])

    def _ask(self, query: str, given: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": {"given": given}}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self._url, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with self._direct.open(request, timeout=_SECONDS) as response:
                answer = json.loads(response.read())
        except OSError as error:
            raise ConsoleError(f"{self._url} does not answer: {error}") from error
        if answer.get("errors"):
            raise ConsoleError(f"{answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data
