"""The tables for Athena have the columns, types and folders of the Parquet files."""

import json
import re
from typing import Any

import botocore.session
import pyarrow as pa
import pytest
from click.testing import CliRunner

from manga_enrichment.cli import main
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.tables.columns import ListOf, StructOf
from manga_enrichment.pipeline.publish.athena import athena_type
from manga_enrichment.pipeline.publish.tables import PublishedTable, published_tables
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.hour_keys import hour_group, part_key
from manga_enrichment.pipeline.store.object_keys import (
    changes_prefix,
    costs_key,
    outcomes_key,
    partner_latency_key,
    partner_results_prefix,
    queue_observations_key,
    rejects_key,
    requests_key,
    table_key,
    warnings_key,
)
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.fakes import START
from manga_enrichment_tests.infra.templates import INFRA, read_template

TABLES = published_tables(list(ANALYSES.values()))
KEYS = {
    "outcomes": outcomes_key("reading_level", "3"),
    "requests": requests_key("2026-03-01", "run", "reading_level", "3"),
    "partner_results": part_key(hour_group(partner_results_prefix("2026-03-01"), START), "run"),
    "enrichment_costs": costs_key("2026-03-01"),
    "partner_latency": partner_latency_key("2026-03-01"),
    "queue_observations": queue_observations_key("2026-03-01"),
    "catalog_rejects": rejects_key(),
    "catalog_warnings": warnings_key(),
    "catalog_changes": f"{changes_prefix('catalog_changes', '2026-03-01')}one.parquet",
    "enriched_changes": f"{changes_prefix('enriched_changes', '2026-03-01')}one.parquet",
}


def table_inputs() -> dict[str, dict[str, Any]]:
    resources = read_template("analytics.yaml")["Resources"].values()
    inputs = [each["Properties"]["TableInput"] for each in resources if each["Type"] == "AWS::Glue::Table"]
    return {each["Name"]: each for each in inputs}


def test_the_template_is_what_its_command_prints() -> None:
    result = CliRunner().invoke(main, ["analytics-template"])
    assert result.exit_code == 0
    assert (INFRA / "analytics.yaml").read_text("utf-8") == result.output


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_are_those_of_the_parquet_schema_without_those_in_the_path(table: PublishedTable) -> None:
    found = table_inputs()[table.objects_name]
    columns = [column["Name"] for column in found["StorageDescriptor"]["Columns"]]
    keys = [key["Name"] for key in found["PartitionKeys"]]
    schema: pa.Schema = arrow_schema(table.columns)
    assert columns == [name for name in schema.names if name not in keys]
    assert keys == [key.value for key in table.partition_keys]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_folders_are_those_that_are_written(table: PublishedTable) -> None:
    key = KEYS.get(table.name) or table_key(table.name, "3")
    folder = key.rsplit("/", 1)[0] + "/"
    parameters = table_inputs()[table.objects_name]["Parameters"]
    if not table.partition_keys:
        location = table_inputs()[table.name]["StorageDescriptor"]["Location"]["Fn::Sub"]
        assert location == f"s3://${{ResultsBucketName}}/{folder}"
        assert "projection.enabled" not in parameters
        return
    template = parameters["storage.location.template"]["Fn::Sub"].removeprefix("s3://${ResultsBucketName}/")
    pattern = "".join(
        "[^/]+" if part.startswith("${!") else re.escape(part) for part in re.split(r"(\$\{!\w+\})", template)
    )
    assert re.fullmatch(pattern, folder)


def test_projection_tells_every_partition_there_can_be() -> None:
    parameters = table_inputs()["outcomes"]["Parameters"]
    assert parameters["projection.analysis.values"].split(",") == [n for n, each in ANALYSES.items() if not each.parts]
    days = table_inputs()["requests_objects"]["Parameters"]
    assert (days["projection.run_date.type"], days["projection.run_date.format"]) == ("date", "yyyy-MM-dd")
    defaults = {name: each.get("Default") for name, each in read_template("analytics.yaml")["Parameters"].items()}
    assert bucket_keys(8)[-1] == defaults["LastBucket"]
    assert len(bucket_keys(8)[-1]) == defaults["BucketDigits"]


@pytest.mark.parametrize("table", [each for each in TABLES if each.once], ids=lambda table: table.name)
def test_a_view_gives_all_columns_of_its_objects_and_says_so_to_athena(table: PublishedTable) -> None:
    found = table_inputs()[table.name]
    begin, encoded, end = found["ViewOriginalText"]["Fn::Join"][1]
    view = json.loads(encoded["Fn::Base64"]["Fn::Sub"].replace("${Database}", "enriched"))
    assert (begin, end, found["TableType"]) == ("/* Presto View: ", " */", "VIRTUAL_VIEW")
    assert (view["catalog"], view["schema"]) == ("awsdatacatalog", "enriched")
    assert view["originalSql"] == table.view_sql
    assert table.objects_name in view["originalSql"]
    columns = [column["Name"] for column in found["StorageDescriptor"]["Columns"]]
    objects = table_inputs()[table.objects_name]
    in_objects = [each["Name"] for each in (*objects["StorageDescriptor"]["Columns"], *objects["PartitionKeys"])]
    assert columns == [each["name"] for each in view["columns"]] == in_objects
    assert not {"string", "timestamp"} & {each["type"] for each in view["columns"]}


def test_types_are_written_as_athena_writes_them() -> None:
    assert athena_type("int64") == "bigint"
    assert athena_type(ListOf("string")) == "array<string>"
    assert athena_type(ListOf(StructOf((("name", "string"), ("score", "float64"))))) == (
        "array<struct<name:string,score:double>>"
    )


def test_glue_and_athena_know_every_field() -> None:
    model = botocore.session.Session().get_service_model("glue").shape_for("TableInput")
    storage = model.members["StorageDescriptor"].members
    assert set(table_inputs()) == {name for table in TABLES for name in (table.name, table.objects_name)}
    for found in table_inputs().values():
        assert set(found) <= set(model.members)
        assert set(found["StorageDescriptor"]) <= set(storage)
        assert all(len(column.get("Comment", "")) <= 255 for column in found["StorageDescriptor"]["Columns"])
