"""Column mappings."""

import pytest

from manga_enrichment.domain.catalog.mapping import SAME_NAMES, ColumnMapping
from manga_enrichment.domain.errors import ConfigurationError


def test_a_field_comes_from_the_column_of_its_name_unless_mapped() -> None:
    mapping = ColumnMapping.from_json({"start_year": "year", "type": {"const": "manga"}, "synopsis": None})
    assert mapping.columns["title"] == "title"
    assert mapping.columns["start_year"] == "year"
    assert mapping.constants == {"type": "manga"}
    assert "synopsis" not in mapping.columns
    assert "start_year" not in mapping.columns.values()


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"year": "start_year"}, "'year'"),
        ({"start_year": 7}, "'start_year'"),
        ({"start_year": ""}, "'start_year'"),
        ({"start_year": {"constant": 1}}, "'start_year'"),
        ({"manga_id": {"const": "MNG-AAAAAAAA"}}, "'manga_id'"),
        ({"title": None}, "'title'"),
        (["title"], "JSON object"),
    ],
)
def test_a_bad_mapping_is_one_error_naming_setting_and_field(document: object, named: str) -> None:
    with pytest.raises(ConfigurationError, match="MANGA_CATALOG_MAPPING") as caught:
        ColumnMapping.from_json(document)
    assert named in str(caught.value)


def test_a_source_without_a_mapped_or_required_column_is_refused() -> None:
    mapping = ColumnMapping.from_json({"start_year": "year"})
    mapping.check_columns(["manga_id", "title", "year"])
    with pytest.raises(ConfigurationError, match=r"'year' for the field 'start_year' \(columns: manga_id, title\)"):
        mapping.check_columns(["manga_id", "title"])
    with pytest.raises(ConfigurationError, match="'title'"):
        SAME_NAMES.check_columns(["manga_id"])
