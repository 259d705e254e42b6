"""Tables on S3 as datasets: found where boto3 would look, and absent ones are empty."""

import pyarrow as pa
import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT

SCHEMA = pa.schema([("manga_id", pa.string()), ("titles", pa.int64())])


@pytest.fixture
def bucket(local_stack: LocalStack, aws_environment: dict[str, str], fresh_stack_state: None) -> str:
    return local_stack.endpoints.bucket


def test_every_object_of_a_table_is_read_with_its_partition(bucket: str) -> None:
    clients = AwsClients()
    store = S3ObjectStore(clients.s3, bucket=bucket)
    for number, name in enumerate("ab"):
        table = pa.table({"manga_id": [name], "titles": [number]}, schema=SCHEMA)
        store.write(f"{TABLES_ROOT}/shelves/bucket={number}/part.parquet", table)
    store.write_json(f"{TABLES_ROOT}/shelves/_state.json", {"not": "a table"})
    found = TableDatasets.on_s3(clients, bucket, TABLES_ROOT).open("shelves", SCHEMA, ["bucket"]).to_table()
    assert found.to_pylist() == [
        {"manga_id": "a", "titles": 0, "bucket": "0"},
        {"manga_id": "b", "titles": 1, "bucket": "1"},
    ]


def test_a_table_that_is_not_there_is_empty(bucket: str) -> None:
    found = TableDatasets.on_s3(AwsClients(), bucket, TABLES_ROOT).open("nothing", SCHEMA, ["bucket"])
    assert found.to_table() == pa.schema([*SCHEMA, ("bucket", pa.string())]).empty_table()


def test_a_bucket_that_is_not_there_is_a_configuration_error(aws_environment: dict[str, str]) -> None:
    datasets = TableDatasets.on_s3(AwsClients(), "manga-no-such-bucket", TABLES_ROOT)
    with pytest.raises(ConfigurationError, match="manga-no-such-bucket"):
        datasets.open("shelves", SCHEMA, ["bucket"])
