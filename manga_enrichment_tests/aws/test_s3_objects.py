"""S3ObjectStore: what only S3 does."""

import os
from hashlib import sha512
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.objects import S3ObjectStore, table_of
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.retention import AS_CONVERSATION, KEPT_AS
from manga_enrichment.gateways.errors import StoreUnavailableError, WriteConflictError
from manga_enrichment.local.stack.local_stack import LocalStack

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


def test_a_missing_bucket_is_named(aws_environment: dict[str, str]) -> None:
    store = S3ObjectStore(AwsClients().s3, bucket="no-such-bucket")
    words = "The S3 bucket no-such-bucket does not exist: deploy infra/storage.yaml or correct MANGA_BUCKET"
    with pytest.raises(ConfigurationError, match=words):
        store.read("enrichment/a.parquet")
    with pytest.raises(ConfigurationError, match=words):
        store.write_json("enrichment/a.json", {})
    with pytest.raises(ConfigurationError, match=words):
        store.list_keys("enrichment/")


def test_an_unreachable_store_is_named() -> None:
    store = S3ObjectStore(boto3.client("s3", config=ONE_ATTEMPT), bucket="bucket")
    words = r"cannot be reached at http://127.0.0.1:9.*: if it never could, check AWS_ENDPOINT_URL"
    with pytest.raises(StoreUnavailableError, match=words):
        store.read("enrichment/a.parquet")


def test_a_write_that_fails_half_way_leaves_the_old_object(
    aws_environment: dict[str, str], local_stack: LocalStack
) -> None:
    """A column that Parquet cannot hold: the failure comes before anything is sent."""
    store = S3ObjectStore(AwsClients().s3, bucket=local_stack.endpoints.bucket)
    etag = store.write("enrichment/whole.parquet", pa.table({"a": [1]}))
    unwritable = pa.table({"a": pa.array([None], pa.month_day_nano_interval())})
    with pytest.raises(pa.ArrowNotImplementedError):
        store.write("enrichment/whole.parquet", unwritable)
    stored = store.read("enrichment/whole.parquet")
    assert stored is not None
    assert stored.etag == etag


@pytest.mark.parametrize("columns", [["c", "a"], ["a", "b", "c"], ["later", "b"], []])
def test_a_table_has_those_of_the_columns_that_are_stored_in_the_order_asked_for(
    columns: list[str], tmp_path: Path
) -> None:
    stored = pa.table({"a": [1, 2], "b": [["x"], []], "c": [{"d": 1.5}, None]})
    pq.write_table(stored, tmp_path / "table.parquet", row_group_size=1)
    found = table_of(tmp_path / "table.parquet", columns)
    assert found.equals(stored.select([each for each in columns if each != "later"]))
    assert table_of(tmp_path / "table.parquet", None).equals(stored)


def test_texts_that_repeat_are_stored_once(aws_environment: dict[str, str], local_stack: LocalStack) -> None:
    """As hints of candidates do: 2.3 MB of different ones, each seven times."""
    client, bucket = AwsClients().s3, local_stack.endpoints.bucket
    texts = [sha512(str(number).encode()).hexdigest() for number in range(18_000)]
    table = pa.table({"hint": texts * 7})
    S3ObjectStore(client, bucket=bucket).write("enrichment/hints.parquet", table)
    assert client.head_object(Bucket=bucket, Key="enrichment/hints.parquet")["ContentLength"] < len("".join(texts))


def test_an_object_that_ends_early_has_the_tag_that_its_lifecycle_rule_looks_for(
    aws_environment: dict[str, str], local_stack: LocalStack
) -> None:
    client, bucket = AwsClients().s3, local_stack.endpoints.bucket
    store = S3ObjectStore(client, bucket=bucket)
    store.write_json("fm-results/tagged.json", {}, kept_as=AS_CONVERSATION)
    store.write_json("fm-results/plain.json", {})
    tags = [
        client.get_object_tagging(Bucket=bucket, Key=f"fm-results/{name}.json")["TagSet"]
        for name in ("tagged", "plain")
    ]
    assert tags == [[{"Key": KEPT_AS, "Value": AS_CONVERSATION}], []]


def test_a_large_object_is_written_and_read_by_way_of_a_file(
    aws_environment: dict[str, str], local_stack: LocalStack
) -> None:
    client, bucket = AwsClients().s3, local_stack.endpoints.bucket
    small, large = (S3ObjectStore(client, bucket=bucket, in_memory_bytes=each) for each in (10**9, 100))
    table = pa.table({"manga_id": [f"MNG-{number:08d}" for number in range(5_000)]})
    etag = large.write("enrichment/large.parquet", table, new=True)
    with pytest.raises(WriteConflictError):
        large.write("enrichment/large.parquet", table, new=True)
    for store in (small, large):
        opened = store.open("enrichment/large.parquet")
        assert opened is not None
        assert opened.etag == etag
        batches = list(opened.file.iter_batches(1_000))
        assert len(batches) == 5
        assert pa.Table.from_batches(batches).equals(table)
        opened.file.close(force=True)
    assert large.write("enrichment/large.parquet", table.slice(1), expected_etag=etag) != etag
    stored = small.read("enrichment/large.parquet")
    assert stored is not None
    assert stored.table.equals(table.slice(1))


def test_of_a_table_that_is_read_part_by_part_what_was_read_is_let_go(
    aws_environment: dict[str, str], local_stack: LocalStack
) -> None:
    store = S3ObjectStore(AwsClients().s3, bucket=local_stack.endpoints.bucket, in_memory_bytes=100)
    parts = [pa.record_batch({"noise": pa.array([os.urandom(2**20)])}) for _ in range(24)]
    store.write("enrichment/noise.parquet", pa.RecordBatchReader.from_batches(parts[0].schema, parts))
    opened = store.open("enrichment/noise.parquet")
    assert opened is not None
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in opened.file.iter_batches(1)]
    assert len(held) == 24
    assert max(held) < 8 * 2**20
