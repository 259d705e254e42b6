"""The schema for editors says what the mapping's own reader says."""

import json
from pathlib import Path

import jsonschema
import pytest

from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.catalog.mapping_schema import mapping_schema
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.source_files import load_preset, preset_names

REPOSITORY = Path(__file__).resolve().parents[3]

VALIDATOR = jsonschema.Draft202012Validator(mapping_schema())
GOOD = [
    {},
    {"start_year": "year", "type": {"const": "manga"}, "synopsis": None},
    {"manga_id": {"id_from": {"source": "x", "id": {"first": ["a", "b"]}}}, "title": {"join": ["a", "b"], "with": "-"}},
    {"authors": {"all": [{"from": "a[].b", "split": "/", "role": "art", "null": ["x"], "map": {"y": "z"}}]}},
    {"$rows": "data", "$only": True, "$about": "x", "$schema": "y", "manga_id": "id", "title": "t"},
]
BAD = [
    [],
    {"year": "start_year"},
    {"start_year": 7},
    {"start_year": ""},
    {"start_year": {"constant": 1}},
    {"start_year": {"from": "a", "splitt": 1}},
    {"start_year": {"from": "a", "null": "x"}},
    {"start_year": {"first": []}},
    {"manga_id": {"const": "MNG-AAAAAAAA"}},
    {"manga_id": {"id_from": {"source": "x"}}},
    {"title": None},
]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(mapping_schema())


@pytest.mark.parametrize("document", GOOD, ids=json.dumps)
def test_what_is_good_to_the_reader_is_good_to_an_editor(document: object) -> None:
    ColumnMapping.from_json(document)
    VALIDATOR.validate(document)


@pytest.mark.parametrize("document", BAD, ids=json.dumps)
def test_what_is_bad_to_the_reader_is_bad_to_an_editor(document: object) -> None:
    with pytest.raises(ConfigurationError):
        ColumnMapping.from_json(document)
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_fits(name: str) -> None:
    VALIDATOR.validate(load_preset(name))


def test_the_shipped_mapping_fits() -> None:
    VALIDATOR.validate(json.loads((REPOSITORY / "data" / "catalog" / "madb_mapping.json").read_text("utf-8")))
