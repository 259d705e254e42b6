"""What people set for boto3 counts for us as well: held against what boto3 itself sends."""

import asyncio
import ssl
from pathlib import Path

import boto3
import click
import pytest
import trustme
from botocore.exceptions import SSLError
from click.testing import CliRunner

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.table_datasets import endpoint_for_arrow
from manga_enrichment.cli import main
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment_tests.aws.conftest import OpenModel, PointedAt, error_of
from manga_enrichment_tests.aws.raw_server import VALID_REPLY, answering, raw_server
from manga_enrichment_tests.contracts.prompts import make_request

PRIVATE_LINK = "vpce-0a1b2c-3d.bedrock-runtime.eu-west-1.vpce.amazonaws.com"


def ask_by_boto3() -> None:
    request = make_request()
    boto3.Session().client("bedrock-runtime").converse(
        modelId=request.model.model_id, messages=[{"role": "user", "content": [{"text": "x"}]}]
    )


def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def test_an_api_key_of_bedrock_is_sent_as_boto3_sends_it(
    pointed_at: PointedAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_keys(monkeypatch)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-1")
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        gateway = pointed_at(url)
        await gateway.converse(make_request())
        await asyncio.to_thread(ask_by_boto3)
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-2")
        await gateway.refresh_credentials()
        await gateway.converse(make_request())
    (path, ours, _), (their_path, theirs, _), (_, renewed, _) = seen
    assert (path, ours["authorization"]) == (their_path, theirs["authorization"])
    assert ours["authorization"] == "Bearer bedrock-api-key-1"
    assert renewed["authorization"] == "Bearer bedrock-api-key-2"
    assert not {"x-amz-date", "x-amz-security-token"} & ours.keys()


async def test_an_api_key_comes_before_credentials(pointed_at: PointedAt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-1")
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        await pointed_at(url).converse(make_request())
        await asyncio.to_thread(ask_by_boto3)
    assert {headers["authorization"] for _, headers, _ in seen} == {"Bearer bedrock-api-key-1"}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@pytest.mark.parametrize("told_by", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
async def test_certificates_of_ones_own_authority_count(
    told_by: str,
    bundle: str,
    tls: ssl.SSLContext,
    pointed_at: PointedAt,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if told_by == "ca_bundle":
        (tmp_path / "config").write_text(f"[default]\nca_bundle = {bundle}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    else:
        monkeypatch.setenv(told_by, bundle)
    async with raw_server(answering(VALID_REPLY), tls) as (url, seen):
        await pointed_at(url).converse(make_request())
        await asyncio.to_thread(ask_by_boto3)
    assert len(seen) == 2


async def test_certificates_of_nobody_we_know_do_not(tls: ssl.SSLContext, pointed_at: PointedAt) -> None:
    async with raw_server(answering(VALID_REPLY), tls) as (url, seen):
        error = await error_of(pointed_at(url))
        with pytest.raises(SSLError):
            await asyncio.to_thread(ask_by_boto3)
    assert (error.error_class, seen) == (ErrorClass.CONNECTION, [])


def test_a_file_of_certificates_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/ca.pem")
    with pytest.raises(ConfigurationError, match=r"/no/such/ca\.pem.*AWS_CA_BUNDLE"):
        AwsClients().authorities()


async def test_a_private_link_endpoint_is_asked_as_boto3_asks_it(
    open_model: OpenModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with raw_server(answering(VALID_REPLY)) as (proxy, seen):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"http://{PRIVATE_LINK}")
        await open_model().converse(make_request())
        await asyncio.to_thread(ask_by_boto3)
    (target, ours, _), (their_target, theirs, _) = seen
    assert target == their_target
    assert target.startswith(f"http://{PRIVATE_LINK}/model/")
    assert ours["host"] == theirs["host"] == PRIVATE_LINK
    assert {"/eu-west-1/bedrock/aws4_request" in each["authorization"] for each in (ours, theirs)} == {True}


@pytest.mark.parametrize(
    ("variables", "profile", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "", "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "", "us-east-1"),
        ({"AWS_REGION": "eu-west-1"}, "region = us-west-2", "us-west-2"),
    ],
)
def test_aws_region_counts_where_boto3_knows_of_no_region(
    variables: dict[str, str], profile: str, region: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    (tmp_path / "config").write_text(f"[default]\n{profile}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    clients = AwsClients()
    assert clients.bedrock_runtime.meta.region_name == clients.s3.meta.region_name == region


@pytest.mark.parametrize(
    ("netloc", "told"),
    [
        ("s3.eu-west-1.amazonaws.com", None),
        ("s3.amazonaws.com", None),
        ("s3.cn-north-1.amazonaws.com.cn", None),
        ("127.0.0.1:4566", "127.0.0.1:4566"),
        ("bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", "bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com"),
        ("s3.dualstack.eu-west-1.amazonaws.com", "s3.dualstack.eu-west-1.amazonaws.com"),
    ],
)
def test_arrow_is_told_an_endpoint_that_it_would_not_find(netloc: str, told: str | None) -> None:
    assert endpoint_for_arrow(netloc) == told


@pytest.mark.parametrize("command", [["sql", "cost_by_genre"], ["estimate"]])
def test_an_expired_sso_login_is_one_sentence(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_keys(monkeypatch)
    (tmp_path / "config").write_text(
        "[profile store]\nsso_session = store\nsso_account_id = 123456789012\nsso_role_name = reader\n"
        "region = eu-west-1\n[sso-session store]\n"
        "sso_start_url = https://store.awsapps.com/start\nsso_region = eu-west-1\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "store")
    monkeypatch.setenv("MANGA_BUCKET", "some-bucket")
    monkeypatch.setenv("MANGA_CATALOG_URI", "s3://some-bucket/catalog.csv")
    found = CliRunner().invoke(main, command, standalone_mode=False)
    assert isinstance(found.exception, click.ClickException)
    assert "run `aws sso login`" in found.exception.format_message()
    assert "Traceback" not in found.output
