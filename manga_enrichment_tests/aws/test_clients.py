"""What is missing is named, with the setting that mends it."""

import math
from io import BytesIO
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from urllib3 import HTTPResponse

from manga_enrichment.aws.clients import (
    AT_ONCE_BYTES,
    EXPIRED_RETRY_SECONDS,
    AwsClients,
    raise_explained,
    store_unavailable,
)
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import StoreUnavailableError

MISSING_REGION = "No AWS region is set: set AWS_DEFAULT_REGION or AWS_REGION"


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "Operation")


def test_clients_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1111")
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:2222")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    clients = AwsClients()
    assert clients.s3.meta.endpoint_url == "http://127.0.0.1:1111"
    assert clients.bedrock_runtime.meta.endpoint_url == "http://127.0.0.1:2222"
    assert clients.dynamodb.meta.region_name == "eu-west-1"
    assert clients.s3 is clients.s3


def test_without_an_endpoint_setting_clients_go_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert AwsClients().bedrock_runtime.meta.endpoint_url == "https://bedrock-runtime.ap-northeast-1.amazonaws.com"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1111", "https://s3.example"])
def test_a_small_object_is_sent_without_asking_first_whether_it_may_be(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    asks: list[bool] = []

    def answer(request: Any, **_kwargs: Any) -> AWSResponse:
        asks.append("Expect" in request.headers)
        return AWSResponse(request.url, 200, HTTPHeaders(), HTTPResponse(BytesIO(), preload_content=False))

    s3: Any = AwsClients().s3
    s3.meta.events.register("before-send.s3", answer)
    for size in (0, 100, AT_ONCE_BYTES):
        s3.put_object(Bucket="bucket", Key="key", Body=bytes(size))
    assert asks == [False, False, True]


def test_every_service_hears_who_asks_and_by_which_sdk() -> None:
    clients, heard = AwsClients(), set[str]()

    def answer(request: Any, **_kwargs: Any) -> AWSResponse:
        heard.add(request.headers["User-Agent"].decode())
        return AWSResponse(request.url, 200, HTTPHeaders(), HTTPResponse(BytesIO(b"{}"), preload_content=False))

    for client in (clients.dynamodb, clients.sqs):
        events: Any = client.meta.events
        events.register("before-send", answer)
    clients.dynamodb.get_item(TableName="table", Key={"key": {"S": "value"}})
    clients.sqs.list_queues()
    assert heard == {f"manga-enrichment Botocore/{botocore.__version__}"}


def test_a_missing_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)
    clients = AwsClients()
    with pytest.raises(ConfigurationError, match=MISSING_REGION):
        assert clients.dynamodb
    with pytest.raises(ConfigurationError, match=MISSING_REGION):
        assert clients.bedrock_runtime


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(
        ConfigurationError, match=r"No AWS credentials were found: set AWS_ACCESS_KEY_ID .* AWS_PROFILE"
    ):
        AwsClients().credentials()


def test_half_a_pair_of_credentials_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="incomplete"):
        AwsClients().credentials()


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match=r"nobody.*AWS_PROFILE"):
        AwsClients()


def test_an_unreadable_config_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "config"
    broken.write_text("not an ini file")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(broken))
    with pytest.raises(ConfigurationError, match=str(broken)):
        assert AwsClients().s3


def test_an_endpoint_that_is_no_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "localhost:4600")
    with pytest.raises(ConfigurationError, match=r"localhost:4600.*AWS_ENDPOINT_URL"):
        assert AwsClients().bedrock_runtime


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError(), "No AWS credentials were found for the table: set AWS_ACCESS_KEY_ID"),
        (client_error("ResourceNotFoundException"), "does not exist: deploy infra/storage.yaml or correct MANGA_X"),
        (client_error("NoSuchBucket"), "does not exist"),
        (client_error("AccessDenied"), "was denied: give this role the rights or correct MANGA_X"),
        (client_error("InvalidAccessKeyId"), "AWS refused the credentials for the table (InvalidAccessKeyId)"),
    ],
)
def test_errors_that_a_setting_mends_name_it(error: Exception, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        raise_explained(error, "the table", "MANGA_X", StoreUnavailableError)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EndpointConnectionError(endpoint_url="http://nowhere"), "the table cannot be reached at http://nowhere"),
        (ConnectTimeoutError(endpoint_url="http://slow"), "cannot be reached at http://slow: if it never could, check"),
        (client_error("InternalServerError"), "the table is away"),
        (client_error("SlowDown"), "the table is away"),
        (client_error("ExpiredToken"), "the table is away"),
    ],
)
def test_what_may_come_back_by_itself_is_away(error: Exception, words: str) -> None:
    with pytest.raises(StoreUnavailableError) as raised:
        raise_explained(error, "the table", "MANGA_X", store_unavailable(error))
    assert words in str(raised.value)


def test_credentials_that_ran_out_are_waited_for_a_minute_and_other_outages_as_long_as_it_takes() -> None:
    expired, slow = client_error("ExpiredTokenException"), client_error("SlowDown")
    assert store_unavailable(expired)("away").args == ("away",)
    assert isinstance(error := store_unavailable(expired)("away"), StoreUnavailableError)
    assert error.retry_seconds == EXPIRED_RETRY_SECONDS
    assert isinstance(other := store_unavailable(slow)("away"), StoreUnavailableError)
    assert other.retry_seconds == math.inf


def _longest_seconds(client: Any) -> float:
    """How long one call takes where connections are accepted and nothing is answered, without the pauses."""
    config = client.meta.config
    return float(config.retries["total_max_attempts"] * max(config.read_timeout, config.connect_timeout))


@pytest.mark.parametrize("service", ["s3", "dynamodb", "sqs"])
def test_one_call_of_a_brief_client_is_over_within_a_third_of_what_dagster_gives_a_tick(service: str) -> None:
    brief, patient = getattr(AwsClients(is_brief=True), service), getattr(AwsClients(), service)
    pauses_seconds = 1 + 2
    assert _longest_seconds(brief) + pauses_seconds <= 60 / 3
    assert patient.meta.config.retries["total_max_attempts"] == 5
    assert _longest_seconds(patient) >= 100
