"""Objects of tables on S3 as files: listed with versions that change, fetched whole, pages over them."""

from pathlib import Path

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.table_files import S3TableFiles
from manga_enrichment.browse.local_copy import LocalCopy
from manga_enrichment.browse.tables import connect
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT
from manga_enrichment_tests.browse_world import PUBLISHED, add_views, eventful_world

CATALOG = "catalog/bucket=0/part.parquet"


@pytest.fixture
def bucket(local_stack: LocalStack, aws_environment: dict[str, str], fresh_stack_state: None) -> str:
    return local_stack.endpoints.bucket


def test_a_version_changes_with_the_object_and_comes_with_its_bytes(bucket: str, tmp_path: Path) -> None:
    client = AwsClients().s3
    files = S3TableFiles(client, bucket=bucket, prefix=TABLES_ROOT)
    client.put_object(Bucket=bucket, Key=f"{TABLES_ROOT}/{CATALOG}", Body=b"one")
    client.put_object(Bucket=bucket, Key=f"{TABLES_ROOT}/catalog/_state.json", Body=b"{}")
    client.put_object(Bucket=bucket, Key="labels/part.parquet", Body=b"other")
    first = dict(files.versions())
    assert list(first) == [CATALOG]
    client.put_object(Bucket=bucket, Key=f"{TABLES_ROOT}/{CATALOG}", Body=b"two")
    assert files.versions()[CATALOG] != first[CATALOG]
    assert files.fetch(CATALOG, tmp_path / "target") == files.versions()[CATALOG]
    assert (tmp_path / "target").read_bytes() == b"two"
    assert files.fetch("catalog/bucket=9/part.parquet", tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_tables_of_a_run_are_copied_and_asked(bucket: str, tmp_path: Path) -> None:
    client = AwsClients().s3
    for key, body in eventful_world().tables.objects.items():
        client.put_object(Bucket=bucket, Key=key, Body=body)
    copy = LocalCopy(S3TableFiles(client, bucket=bucket, prefix=TABLES_ROOT), PUBLISHED, tmp_path).refresh()
    with connect(memory_mb=50, threads=1) as connection:
        add_views(connection, copy)
        assert connection.execute("SELECT count(*), min(bucket) FROM enriched_catalog").fetchall() == [(5, "0")]


def test_a_bucket_that_is_not_there_is_a_configuration_error(aws_environment: dict[str, str]) -> None:
    files = S3TableFiles(AwsClients().s3, bucket="manga-no-such-bucket", prefix=TABLES_ROOT)
    with pytest.raises(ConfigurationError, match="manga-no-such-bucket"):
        files.versions()
