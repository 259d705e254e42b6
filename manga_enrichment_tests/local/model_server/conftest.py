"""One offline model server on loopback for the tests of this folder, and the prompts to ask it with."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.local.model_server.app import create_app
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest
from manga_enrichment.local.model_server.serving import ModelServer
from manga_enrichment.local.model_server.state import ServerState
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.analyses import FOR_PARTNERS

FORCING_MODEL = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
"""Takes a temperature and a forced tool, caches from 4,096 tokens, burns 5 tokens of quota per output token."""


@dataclass(frozen=True)
class RunningServer:
    """A server in a thread of this process; state is shared with it, so only read it."""

    url: str
    control: ModelServerControl
    bedrock: Any

    def ask(self, text: str = "Hello there", *, model_id: str = FORCING_MODEL, **body: Any) -> dict[str, Any]:
        """One plain Converse call."""
        messages = [{"role": "user", "content": [{"text": text}]}]
        answer: dict[str, Any] = self.bedrock.converse(modelId=model_id, messages=messages, **body)
        return answer


@pytest.fixture(scope="session")
def running_server() -> Iterator[RunningServer]:
    urls: list[str] = []
    listening = threading.Event()

    def on_ready(url: str) -> None:
        urls.append(url)
        listening.set()

    server = ModelServer(create_app(ServerState(load_models())), "127.0.0.1", 0, on_ready)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert listening.wait(30)
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=urls[0],
        region_name="ap-northeast-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=30),
    )
    yield RunningServer(urls[0], ModelServerControl(urls[0]), client)
    client.close()
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def server(running_server: RunningServer) -> Iterator[RunningServer]:
    """The server with all counters at zero and all faults off, before and after the test."""
    running_server.control.reset()
    yield running_server
    running_server.control.reset()


@pytest.fixture
def forcing_model() -> ModelSpec:
    return load_models().by_id(FORCING_MODEL)


@pytest.fixture
def converse_body() -> Callable[..., dict[str, Any]]:
    """Builds the Converse body that asks one analysis about one title, as the pipeline does."""

    def build(
        analysis_name: str, record: MangaRecord, candidates: tuple[Candidate, ...] = (), context: str = ""
    ) -> dict[str, Any]:
        analysis = FOR_PARTNERS[analysis_name]
        inputs = title_inputs(analysis, record, candidates, context)
        prompt = build_prompt(analysis, inputs, load_models().by_id(FORCING_MODEL))
        tool = {"name": prompt.tool_name, "inputSchema": {"json": prompt.tool_schema}}
        return {
            "system": [{"text": prompt.system}],
            "messages": [{"role": "user", "content": [{"text": prompt.user}]}],
            "inferenceConfig": {"maxTokens": prompt.max_tokens},
            "toolConfig": {"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": prompt.tool_name}}},
        }

    return build


@pytest.fixture
def parsed() -> Callable[..., ModelRequest]:
    """Parses a Converse body without a server."""
    from manga_enrichment.local.model_server.protocol import converse  # noqa: PLC0415 - beside its only use

    return lambda body, model_id=FORCING_MODEL: converse.parse(model_id, body)
