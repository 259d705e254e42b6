"""Where the catalog comes from: a path or an object, readable or one clear sentence."""

import os
import re
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.catalog_source import catalog_source
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.local.stack.local_stack import LocalStack

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def clients(aws_environment: dict[str, str]) -> AwsClients:
    return AwsClients()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_local_file_is_read_in_place(tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "catalog.jsonl"
    path.write_text("{}\n")
    source = catalog_source(AwsClients().s3, f"{scheme}{path}")
    with source.local_copy() as copy:
        assert copy == [path]


def test_a_file_uri_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "カタログ 1.csv"
    path.write_text("manga_id\n")
    with catalog_source(AwsClients().s3, path.as_uri()).local_copy() as (copy,):
        assert copy.read_text() == "manga_id\n"


def test_a_changed_local_file_has_another_version(tmp_path: Path) -> None:
    path = tmp_path / "catalog.csv"
    path.write_text("a")
    source = catalog_source(AwsClients().s3, str(path))
    before = source.version()
    assert source.version() == before
    path.write_text("b")
    assert source.version() != before


@pytest.mark.parametrize("pattern", ["catalog.csv", ""])
def test_a_copy_of_another_age_has_the_same_version(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "catalog.csv"
    path.write_text("a")
    source = catalog_source(AwsClients().s3, str(tmp_path / pattern))
    before = source.version()
    os.utime(path, (0, 0))
    assert source.version() == before


@pytest.mark.parametrize(
    ("name", "why"), [("missing.csv", "No such file"), ("", "nothing in it"), ("*.csv", "nothing in it")]
)
def test_an_unreadable_path_is_named(tmp_path: Path, name: str, why: str) -> None:
    uri = str(tmp_path / name) if name else str(tmp_path)
    source = catalog_source(AwsClients().s3, uri)
    with pytest.raises(
        ConfigurationError, match=rf"{re.escape(uri)} cannot be read \(.*{why}.*correct MANGA_CATALOG_URI"
    ):
        source.version()


FILES = ("b.jsonl.gz", "a.csv", "deep/c.parquet", "deep/notes.txt", "_SUCCESS", "_log/d.csv", ".hidden.csv")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", ["a.csv", "b.jsonl.gz", "deep/c.parquet"]),
        ("*.csv", ["a.csv"]),
        ("**/*.parquet", ["deep/c.parquet"]),
        ("[ab].*", ["a.csv", "b.jsonl.gz"]),
    ],
)
def test_a_folder_or_a_pattern_is_all_its_catalog_files(tmp_path: Path, pattern: str, found: list[str]) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    source = catalog_source(AwsClients().s3, str(tmp_path / pattern))
    with source.local_copy() as copies:
        assert [str(copy.relative_to(tmp_path)) for copy in copies] == found
    before = source.version()
    (tmp_path / found[-1]).write_text("xy")
    assert source.version() != before


@pytest.mark.parametrize(
    ("pattern", "found"), [("", ["a.csv", "b.jsonl.gz", "c.parquet"]), ("*.csv", ["a.csv"]), ("deep/*", ["c.parquet"])]
)
def test_a_prefix_or_a_pattern_is_all_its_catalog_objects(
    clients: AwsClients, local_stack: LocalStack, pattern: str, found: list[str]
) -> None:
    bucket = local_stack.endpoints.bucket
    for name in FILES:
        if name != "deep/notes.txt":
            clients.s3.put_object(Bucket=bucket, Key=f"feed/{name}", Body=name.encode())
    wanted = pattern if pattern != "*.csv" else "a*.csv"
    source = catalog_source(clients.s3, f"s3://{bucket}/feed/{wanted}")
    with source.local_copy() as copies:
        assert [copy.name for copy in copies] == found
        assert all(copy.read_text().endswith(copy.name) for copy in copies)
    before = source.version()
    clients.s3.put_object(Bucket=bucket, Key="feed/a.csv", Body=b"other")
    clients.s3.put_object(Bucket=bucket, Key="feed/deep/c.parquet", Body=b"other")
    assert source.version() != before


@pytest.mark.parametrize("uri", ["s3://", "s3://bucket", "s3://bucket/", "s3:///key"])
def test_an_incomplete_s3_uri_is_named(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="is not s3://bucket/key"):
        catalog_source(AwsClients().s3, uri)


def test_an_object_is_copied_under_its_own_name_and_removed_again(clients: AwsClients, local_stack: LocalStack) -> None:
    key = "inbox/2026?q#1/catalog v2.csv"
    clients.s3.put_object(Bucket=local_stack.endpoints.bucket, Key=key, Body=b"manga_id\n")
    source = catalog_source(clients.s3, f"s3://{local_stack.endpoints.bucket}/{key}")
    with source.local_copy() as (copy,):
        assert (copy.name, copy.read_text()) == ("catalog v2.csv", "manga_id\n")
    assert not copy.exists()


def test_a_changed_object_has_another_version(clients: AwsClients, local_stack: LocalStack) -> None:
    bucket = local_stack.endpoints.bucket
    source = catalog_source(clients.s3, f"s3://{bucket}/inbox/changing.csv")
    clients.s3.put_object(Bucket=bucket, Key="inbox/changing.csv", Body=b"1")
    before = source.version()
    assert source.version() == before
    clients.s3.put_object(Bucket=bucket, Key="inbox/changing.csv", Body=b"2")
    assert source.version() != before


@pytest.mark.parametrize("bucket", ["", "no-such-bucket"])
def test_a_missing_object_is_named(clients: AwsClients, local_stack: LocalStack, bucket: str) -> None:
    uri = f"s3://{bucket or local_stack.endpoints.bucket}/none.csv"
    source = catalog_source(clients.s3, uri)
    with pytest.raises(ConfigurationError, match=rf"{uri}.*MANGA_CATALOG_URI"):
        source.version()
    with pytest.raises(ConfigurationError, match=rf"{uri}.*MANGA_CATALOG_URI"), source.local_copy():
        pass


def test_an_unreachable_store_is_named() -> None:
    source = catalog_source(boto3.client("s3", config=ONE_ATTEMPT), "s3://bucket/catalog.csv")
    with pytest.raises(StoreUnavailableError, match=r"s3://bucket/catalog.csv cannot be reached at http://127.0.0.1:9"):
        source.version()
