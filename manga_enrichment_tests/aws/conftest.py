"""Gateways against the local stack, for what only the real ones do."""

from collections.abc import AsyncIterator, Callable

import pytest

from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.outcomes.error_classes import ModelError
from manga_enrichment_tests.contracts.prompts import make_request

OpenModel = Callable[..., BedrockModel]
PointedAt = Callable[..., BedrockModel]


@pytest.fixture
async def open_model() -> AsyncIterator[OpenModel]:
    """Makes models from the test's environment and closes them."""
    opened: list[BedrockModel] = []

    def make(**options: float) -> BedrockModel:
        opened.append(BedrockModel(AwsClients(), concurrency=4, call_timeout_seconds=0.5, **options))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


@pytest.fixture
def pointed_at(monkeypatch: pytest.MonkeyPatch, open_model: OpenModel) -> PointedAt:
    """Makes models that talk to a URL."""

    def make(url: str, **options: float) -> BedrockModel:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        return open_model(**options)

    return make


async def error_of(gateway: BedrockModel) -> ModelError:
    """What one call fails with."""
    with pytest.raises(ModelError) as caught:
        await gateway.converse(make_request())
    return caught.value
