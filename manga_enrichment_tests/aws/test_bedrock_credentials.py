"""BedrockModel and credentials: missing, renewed, gone."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment_tests.aws.conftest import PointedAt, error_of
from manga_enrichment_tests.aws.raw_server import VALID_REPLY, answering, raw_server
from manga_enrichment_tests.contracts.prompts import make_request


def test_missing_credentials_are_named_before_any_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="set AWS_ACCESS_KEY_ID"):
        BedrockModel(AwsClients(), concurrency=1, call_timeout_seconds=1)


async def test_refreshing_credentials_that_are_gone_names_the_fix(
    pointed_at: PointedAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = pointed_at("http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="No AWS credentials were found"):
        await gateway.refresh_credentials()


async def test_refreshed_credentials_sign_the_next_call(pointed_at: PointedAt, monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        gateway = pointed_at(url)
        await gateway.converse(make_request())
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
        await gateway.refresh_credentials()
        await gateway.converse(make_request())
    assert "Credential=local/" in seen[0][1]["authorization"]
    assert "Credential=renewed/" in seen[1][1]["authorization"]


class RoleClients(AwsClients):
    """Clients whose credentials come from a role and have to be renewed now."""

    def __init__(self, renew: Callable[[], dict[str, str]]) -> None:
        super().__init__()
        self._renew = renew

    def credentials(self) -> Any:
        return RefreshableCredentials.create_from_metadata(
            {"access_key": "old", "secret_key": "s", "token": "t", "expiry_time": "2020-01-01T00:00:00Z"},
            self._renew,
            "test",
        )


async def test_a_role_is_renewed_before_it_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = {"access_key": "new", "secret_key": "s", "token": "tok", "expiry_time": "2999-01-01T00:00:00Z"}
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
        gateway = BedrockModel(RoleClients(lambda: renewed), concurrency=1, call_timeout_seconds=1)
        await gateway.converse(make_request())
        await gateway.close()
    assert "Credential=new/" in seen[0][1]["authorization"]
    assert seen[0][1]["x-amz-security-token"] == "tok"


async def test_a_role_that_cannot_be_renewed_is_expired_credentials() -> None:
    def fail() -> dict[str, str]:
        raise CredentialRetrievalError(provider="test", error_msg="no network")

    gateway = BedrockModel(RoleClients(fail), concurrency=1, call_timeout_seconds=1)
    error = await error_of(gateway)
    assert error.error_class is ErrorClass.EXPIRED_CREDENTIALS
    assert "no network" in error.message
