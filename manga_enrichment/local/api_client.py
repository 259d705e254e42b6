"""A partner's view of the request front on the local stack: HTTP with an API key.

Belongs here: where the API is, which key a partner has, one call. Stays out: what the answers mean.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.local.stack.endpoints import assert_loopback

TIMEOUT_SECONDS = 30.0

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """document: the body, parsed; {} when it is no JSON object."""

    status: int
    headers: Mapping[str, str]
    document: dict[str, Any]


def api_url(emulator_url: str, outputs: Mapping[str, str]) -> str:
    """Address of the API on the emulator. outputs: those of the deployed templates."""
    return f"{emulator_url}/_aws/execute-api/{outputs['ApiId']}/{outputs['ApiStageName']}"


def api_key(apigateway: Any, name: str) -> str:
    """The secret value of the API key with this name, as an operator would look it up. Raises LookupError."""
    for key in apigateway.get_api_keys(nameQuery=name, includeValues=True)["items"]:
        if key["name"] == name:
            return str(key["value"])
    raise LookupError(f"there is no API key {name}: add it to infra/partners.json and deploy infra/api.yaml")


class ApiClient:
    """Calls to a local API. key: "" sends none."""

    def __init__(self, url: str, key: str = "") -> None:
        assert_loopback({"AWS_ENDPOINT_URL": url})
        self.url = url
        self._key = key

    def call(
        self, method: str, path: str, body: bytes | Any = None, headers: Mapping[str, str] | None = None
    ) -> ApiAnswer:
        """One request. body: bytes as they are, anything else as JSON, None for no body. Raises OSError."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode("ascii")
        sent = {
            "Content-Type": "application/json",
            **({"x-api-key": self._key} if self._key else {}),
            **(headers or {}),
        }
        request = urllib.request.Request(self.url + path, data, sent, method=method)  # noqa: S310 - loopback
        try:
            with _direct.open(request, timeout=TIMEOUT_SECONDS) as response:
                return _answer(response)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error)


def _answer(response: Any) -> ApiAnswer:
    try:
        document = json.loads(response.read())
    except ValueError:
        document = {}
    return ApiAnswer(response.status, dict(response.headers), document if isinstance(document, dict) else {})
