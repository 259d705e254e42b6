"""Bedrock Converse over aiohttp, with botocore's credentials and endpoint.

Why not boto3: its serializer, signer, endpoint and event layers cost several times the CPU of this path per call (see
`docs/benchmarks.md`), and its retries would pay twice for a lost answer. One call here is one HTTP request, never
retried below the engine. Protocol: bedrock-runtime Converse, as in botocore's service model.
"""

import asyncio
import json
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import get_environ_proxies
from yarl import URL

from manga_enrichment.aws.bedrock.converse import classify_error, parse_reply, request_body
from manga_enrichment.aws.bedrock.signing import JsonPostSigner
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.model import ModelCall, ModelReply

SIGNING_NAME = "bedrock"
CONNECT_TIMEOUT_SECONDS = 5.0
REACHABLE_SECONDS = 40.0  # how long nobody at the endpoint counts as an outage
REACHABLE_PAUSE_SECONDS = 1.0
_NO_ANSWER = "no answer within MANGA_CALL_TIMEOUT_SECONDS"


class BedrockModel:
    """FoundationModel over HTTP. One instance per event loop; `close()` it."""

    def __init__(
        self,
        clients: AwsClients,
        *,
        concurrency: int,
        call_timeout_seconds: float,
        reachable_seconds: float = REACHABLE_SECONDS,
    ) -> None:
        """call_timeout_seconds bounds the wait for one answer; longer is a lost answer that may be billed.

        reachable_seconds: how long `check_reachable` looks for anybody at the endpoint.
        """
        self._reachable_seconds = reachable_seconds
        meta = clients.bedrock_runtime.meta
        self._endpoint = str(meta.endpoint_url).rstrip("/")
        self._signer = JsonPostSigner.of(self._endpoint, str(meta.region_name), SIGNING_NAME)
        self._proxy = get_environ_proxies(self._endpoint).get(URL(self._endpoint).scheme)  # as boto3 does
        self._identity = _Identity.of(clients)
        self._authorities = clients.authorities()
        self._refreshing: asyncio.Future[Any] | None = None
        self._concurrency = concurrency
        self._timeout = aiohttp.ClientTimeout(
            total=CONNECT_TIMEOUT_SECONDS + call_timeout_seconds,  # also for a server that sends a byte now and then
            connect=None,  # waiting for a free connection is the engine's business
            sock_connect=CONNECT_TIMEOUT_SECONDS,
            sock_read=call_timeout_seconds,
        )
        self._session: aiohttp.ClientSession | None = None

    async def converse(self, call: ModelCall) -> ModelReply:
        body = orjson.dumps(request_body(call))
        url = _converse_url(self._endpoint, call.model.model_id)
        headers = await self._headers(url.raw_path, body)
        try:
            async with self._open().post(
                url, data=aiohttp.BytesPayload(body), headers=headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                payload = await response.read()
        except aiohttp.ClientError as error:
            raise _transport_error(error, self._endpoint) from error
        except TimeoutError as error:
            raise ModelError(ErrorClass.READ_TIMEOUT, _NO_ANSWER) from error
        if response.status != 200:
            raise classify_error(response.status, response.headers, payload)
        return parse_reply(_json_object(payload), call.text_field)

    async def check_reachable(self, within_seconds: float = math.inf) -> None:
        """Any HTTP answer will do, also a refusal."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(self._reachable_seconds, within_seconds)
        while True:
            try:
                async with self._open().get(URL(self._endpoint), proxy=self._proxy, allow_redirects=False):
                    return
            except (aiohttp.ClientError, TimeoutError) as error:
                if loop.time() >= until:
                    raise ModelError(ErrorClass.CONNECTION, _unreachable(self._endpoint)) from error
            await asyncio.sleep(REACHABLE_PAUSE_SECONDS)

    async def refresh_credentials(self) -> None:
        """Read the credentials anew from their source; callers that come meanwhile share one reading.

        Raises ConfigurationError when there are none any more.
        """
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.ensure_future(asyncio.to_thread(lambda: _Identity.of(AwsClients())))
        self._identity = await asyncio.shield(self._refreshing)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trust = True if self._authorities is None else _trust(self._authorities)
            connector = aiohttp.TCPConnector(limit=self._concurrency, keepalive_timeout=30, ssl=trust)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def _headers(self, path: str, body: bytes) -> dict[str, str]:
        if self._identity.bearer is not None:
            return self._signer.bearer_headers(self._identity.bearer)
        return self._signer.headers(path, body, await self._identity.frozen(), datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _Identity:
    """Who asks: an API key of Bedrock where there is one, as boto3 has it, else credentials."""

    bearer: str | None
    credentials: Any = None

    @classmethod
    def of(cls, clients: AwsClients) -> "_Identity":
        bearer = clients.bearer_token(SIGNING_NAME)
        return cls(bearer, None if bearer is not None else clients.credentials())

    async def frozen(self) -> Any:
        """Credentials of a role are renewed over the network when their time comes: not on the event loop."""
        is_due = getattr(self.credentials, "refresh_needed", None)
        try:
            if is_due is not None and is_due():
                return await asyncio.to_thread(self.credentials.get_frozen_credentials)
            return self.credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise ModelError(
                ErrorClass.EXPIRED_CREDENTIALS, f"the AWS credentials could not be renewed: {error}"
            ) from error


def _trust(authorities: str) -> ssl.SSLContext:
    """Certificates in a file, or in a folder by their hashes."""
    if Path(authorities).is_dir():
        return ssl.create_default_context(capath=authorities)
    return ssl.create_default_context(cafile=authorities)


@lru_cache(maxsize=64)
def _converse_url(endpoint: str, model_id: str) -> URL:
    return URL(f"{endpoint}/model/{quote(model_id, safe='')}/converse", encoded=True)


def _transport_error(error: aiohttp.ClientError, endpoint: str) -> ModelError:
    """Before a connection stood nothing can be billed; after that an answer may have been lost."""
    if isinstance(error, (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError)):
        return ModelError(ErrorClass.CONNECTION, _unreachable(endpoint))
    if isinstance(error, aiohttp.ServerTimeoutError):
        return ModelError(ErrorClass.READ_TIMEOUT, _NO_ANSWER)
    return ModelError(ErrorClass.TRUNCATED_ANSWER, f"the connection broke before the answer was complete: {error}")


def _unreachable(endpoint: str) -> str:
    settings = "the region and AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
    return f"Bedrock cannot be reached at {endpoint}: if it never could, check {settings}"


def _json_object(payload: bytes) -> Mapping[str, Any]:
    if not payload.strip():
        raise ModelError(ErrorClass.EMPTY_ANSWER, "the answer has no body")
    try:
        document = orjson.loads(payload)
    except json.JSONDecodeError as error:
        raise ModelError(ErrorClass.TRUNCATED_ANSWER, f"the answer is not complete JSON: {error}") from error
    if not isinstance(document, dict):
        raise ModelError(ErrorClass.EMPTY_ANSWER, "the answer is not a JSON object")
    return document
