"""The local profile points every client at this machine and refuses anything else."""

import os

import pytest

from manga_enrichment.local.stack.endpoints import LocalEndpoints, NotLoopbackError, assert_loopback

ENDPOINTS = LocalEndpoints("http://127.0.0.1:4566", "http://127.0.0.1:4600", "a-bucket")


def test_the_local_environment_passes_its_own_guard() -> None:
    assert_loopback(ENDPOINTS.environment())


def test_bedrock_goes_to_the_model_server_and_everything_else_to_the_emulator() -> None:
    environment = ENDPOINTS.environment()
    assert environment["AWS_ENDPOINT_URL"] == ENDPOINTS.emulator_url
    assert environment["AWS_ENDPOINT_URL_BEDROCK"] == ENDPOINTS.model_url
    assert environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == ENDPOINTS.model_url
    assert environment["MANGA_BUCKET"] == "a-bucket"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "ap-northeast-1"


def test_a_child_sees_none_of_the_users_aws_settings() -> None:
    users = {
        "PATH": "/bin",
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "secret",
        "AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }
    child = ENDPOINTS.child_environment(users)
    assert child["PATH"] == "/bin"
    assert child["AWS_CONFIG_FILE"] == os.devnull
    assert child["AWS_ACCESS_KEY_ID"] == "local"
    assert not child.keys() & (users.keys() - {"PATH"})
    assert_loopback(child)


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.ap-northeast-1.amazonaws.com",
        "http://127.0.0.1@evil.example",
        "http://localhost.evil.example:4566",
        "http://10.0.0.5:4566",
        "http://0.0.0.0:4566",
        "nonsense",
    ],
)
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"])
def test_an_endpoint_on_another_machine_is_refused_by_name(name: str, url: str) -> None:
    with pytest.raises(NotLoopbackError, match=name):
        assert_loopback({**ENDPOINTS.environment(), name: url})


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1"])
def test_every_spelling_of_loopback_is_accepted(url: str) -> None:
    assert_loopback({"AWS_ENDPOINT_URL": url})


def test_an_environment_without_an_endpoint_is_refused_because_it_means_aws() -> None:
    with pytest.raises(NotLoopbackError, match="AWS_ENDPOINT_URL is not set"):
        assert_loopback({})


def test_an_environment_that_makes_boto3_ignore_endpoints_is_refused() -> None:
    with pytest.raises(NotLoopbackError, match="AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        assert_loopback({**ENDPOINTS.environment(), "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"})


def test_the_users_stage_is_not_the_local_stacks() -> None:
    """Its templates are deployed without one."""
    endpoints = LocalEndpoints("http://127.0.0.1:1", "http://127.0.0.1:2", "bucket")
    assert endpoints.child_environment({"MANGA_STAGE": "production"})["MANGA_STAGE"] == ""
