"""Gateways against the local stack, for what only the real ones do."""

from collections.abc import AsyncIterator, Callable

import pytest

from manga_enrichment.aws.bedrock import BedrockModel
from manga_enrichment.aws.clients import AwsClients

OpenModel = Callable[[], BedrockModel]


@pytest.fixture
async def open_model() -> AsyncIterator[OpenModel]:
    """Makes models from the test's environment and closes them."""
    opened: list[BedrockModel] = []

    def make() -> BedrockModel:
        opened.append(BedrockModel(AwsClients(), concurrency=4, call_timeout_seconds=0.5))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()
