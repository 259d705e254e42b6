"""The run that imports: a preset takes a source as it is; one that cannot be the catalog replaces nothing."""

import json
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.shared.names import CATALOG
from manga_enrichment.domain.catalog.ids import derived_id
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.pipeline.store.object_keys import table_key, warnings_key
from manga_enrichment_tests.builders import catalog_row, write_source
from manga_enrichment_tests.defs.project import BUCKETS, FIRST, Project, failures
from manga_enrichment_tests.pipeline.catalog.test_presets import SHAPES

pytestmark = pytest.mark.slow


def plausible(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    return [each for each in result.get_asset_check_evaluations() if each.check_name == "catalog_is_plausible"]


def test_a_catalog_that_shrinks_is_refused_with_an_error_check(tmp_path: Path) -> None:
    project = Project(tmp_path, catalog=[catalog_row(number, volumes="?") for number in range(40)])
    first = project.run([CATALOG])
    assert first.success
    assert [check.passed for check in plausible(first)] == [True]
    warnings = project.world.tables.read(warnings_key())
    assert warnings is not None
    assert warnings.table.num_rows == 40
    before = project.world.tables.read(table_key("catalog", FIRST))

    write_source(project.source, [catalog_row(number) for number in range(2)])
    second = project.run([CATALOG])
    assert not second.success
    (check,) = plausible(second)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.metadata["titles"].value == 2
    assert check.metadata["titles_before"].value == 40
    assert "MANGA_CATALOG_MAX_LOST=1" in failures(second)[CATALOG]
    after = project.world.tables.read(table_key("catalog", FIRST))
    assert before is not None
    assert after is not None
    assert after.table.equals(before.table)

    project.settings = project.settings.model_copy(update={"catalog_max_lost": 1.0})
    project.build()
    third = project.run([CATALOG])
    assert third.success
    assert [check.passed for check in plausible(third)] == [True]


def test_a_preset_is_all_that_an_export_needs(tmp_path: Path) -> None:
    project = Project(tmp_path, catalog=[], catalog_preset="jikan")
    answer = json.loads((SHAPES / "jikan.json").read_text("utf-8"))
    rows = [{**row, "mal_id": row["mal_id"] + number} for row in answer["data"] for number in range(30)]
    project.source.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")

    assert project.run([CATALOG]).success
    buckets = [project.world.tables.read(table_key("catalog", bucket)) for bucket in bucket_keys(BUCKETS)]
    titles = {each["manga_id"]: each for stored in buckets if stored for each in stored.table.to_pylist()}
    assert len(titles) == len(rows)
    first = titles[derived_id("myanimelist", "13")]
    assert (first["title"], first["title_ja"], first["start_year"]) == ("Minato no Hi", "港の灯", 1989)
    assert first["authors"] == [{"name": "Lee, Ann", "role": None}]
