"""What docs/analysts.md says of reading whole tables, tried with each reader over the tables that were written."""

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest

from manga_enrichment.analysts.session import SqlSession
from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment.domain.catalog.records import bucket_keys, bucket_of
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.publish.athena import template_document
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import ORIGIN, catalog_table, record
from manga_enrichment_tests.fakes import MemoryTables

PAGE = Path(__file__).parents[1] / "docs" / "analysts.md"
TITLES = 600
READERS = ("by_pandas", "by_polars", "by_pyarrow", "by_duckdb")


def written(folder: Path, buckets: int) -> Path:
    tables = MemoryTables()
    for bucket in bucket_keys(buckets):
        titles = [each for each in map(record, range(TITLES)) if bucket_of(each.manga_id, buckets) == bucket]
        tables.write(table_key("catalog", bucket), catalog_table((each, "hash") for each in titles))
        write_enriched(tables, bucket, list(ANALYSES.values()), ORIGIN)
    for key, body in tables.objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(body)
    return folder / "enrichment"


def documented() -> str:
    blocks = [each.split("```")[0] for each in PAGE.read_text("utf-8").split("```python\n")[1:]]
    (block,) = (each for each in blocks if "by_polars" in each)
    return block


def rows_of(read: Any) -> list[dict[str, Any]]:
    if isinstance(read, pd.DataFrame):
        return read.to_dict("records")  # type: ignore[return-value]
    if isinstance(read, pl.DataFrame):
        return read.to_dicts()
    table = read.to_arrow_table() if isinstance(read, duckdb.DuckDBPyRelation) else read
    return list(table.to_pylist())


@pytest.mark.parametrize("buckets", [8, 64])
def test_each_line_reads_all_buckets_and_has_the_bucket_as_text(tmp_path: Path, buckets: int) -> None:
    told: dict[str, Any] = {"folder": str(written(tmp_path, buckets))}
    exec(documented(), told)  # noqa: S102 (our own documentation)
    for reader in READERS:
        rows = rows_of(told[reader])
        assert {row["manga_id"] for row in rows} == {record(number).manga_id for number in range(TITLES)}, reader
        assert {row["bucket"] for row in rows} == set(bucket_keys(buckets)), reader


def test_sql_and_athena_have_the_bucket_as_text(tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    assert 'manga-enrichment sql "SELECT * FROM enriched_catalog"' in page
    session = SqlSession(TableDatasets.in_folder(written(tmp_path, 64)), list(ANALYSES.values()))
    rows = session.query("SELECT * FROM enriched_catalog").to_pylist()
    assert {row["bucket"] for row in rows} == set(bucket_keys(64))
    assert len(rows) == TITLES
    assert "SELECT * FROM manga_enrichment.enriched_catalog" in page
    template = template_document(list(ANALYSES.values()))
    assert template["Parameters"]["DatabaseName"]["Default"] == "manga_enrichment"
    table = template["Resources"]["EnrichedCatalogTable"]["Properties"]["TableInput"]
    assert (table["Name"], table["PartitionKeys"]) == ("enriched_catalog", [{"Name": "bucket", "Type": "string"}])
    assert table["Parameters"]["projection.bucket.range"] == {"Fn::Sub": "0,${LastBucket}"}


def test_without_the_option_readers_guess_as_the_page_says(tmp_path: Path) -> None:
    folder = f"{written(tmp_path, 64)}/enriched_catalog"
    assert isinstance(pd.read_parquet(folder)["bucket"].dtype, pd.CategoricalDtype)
    assert pl.read_parquet(folder).schema["bucket"] == pl.Int64
    assert "bucket" not in pl.read_parquet(f"{folder}/**/*.parquet").columns
    assert str(ds.dataset(folder, partitioning="hive").schema.field("bucket").type) == "int32"
    assert "bucket" not in ds.dataset(folder).schema.names
    kinds = {
        files: str(duckdb.sql(f"SELECT bucket FROM read_parquet('{folder}/{files}/*.parquet')").types[0])  # noqa: S608
        for files in ("*", "bucket=1*")
    }
    assert kinds == {"*": "VARCHAR", "bucket=1*": "BIGINT"}
