"""A source that cannot be the catalog fails the run and the check, and replaces nothing."""

from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.shared.names import CATALOG
from manga_enrichment.pipeline.store.object_keys import table_key, warnings_key
from manga_enrichment_tests.builders import catalog_row, write_source
from manga_enrichment_tests.defs.project import FIRST, Project, failures

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
