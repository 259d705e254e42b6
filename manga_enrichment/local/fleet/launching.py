"""Launching a run as the Dagster UI does it: over the webserver's GraphQL.

Belongs here: one mutation. Stays out: which runs (`night.py`).
"""

import json
import urllib.request
from typing import Any

import dagster as dg

from manga_enrichment.local.dagster_home import LOCATION, REPOSITORY_NAME

_SECONDS = 60.0
_LAUNCH = """mutation Launch($given: ExecutionParams!) { launchRun(executionParams: $given) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LaunchError(RuntimeError):
    """The webserver did not do as asked; says what it said."""


def launch(url: str, job: str, request: dg.RunRequest) -> str:
    """The id of the run, which is queued. url: of the webserver. Raises LaunchError."""
    selector: dict[str, Any] = {
        "repositoryLocationName": LOCATION,
        "repositoryName": REPOSITORY_NAME,
        "jobName": job,
        "assetSelection": [{"path": list(key.path)} for key in request.asset_selection or []] or None,
    }
    tags = [{"key": key, "value": value} for key, value in request.tags.items()]
    given = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
    body = json.dumps({"query": _LAUNCH, "variables": {"given": given}}).encode()
    asked = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 (loopback)
    try:
        with _direct.open(asked, timeout=_SECONDS) as response:
            answer = json.loads(response.read())
    except OSError as error:
        raise LaunchError(f"{url} does not answer: {error}") from error
    launched = (answer.get("data") or {}).get("launchRun") or {}
    if launched.get("__typename") != "LaunchRunSuccess":
        raise LaunchError(f"{job} was not launched: {answer}")
    return str(launched["run"]["runId"])
