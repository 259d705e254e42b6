"""Column mappings."""

from typing import Any

import pytest

from manga_enrichment.domain.catalog.ids import derived_id
from manga_enrichment.domain.catalog.mapping import FIELD_NAMES, SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.records import MANGA_ID
from manga_enrichment.domain.errors import ConfigurationError


def value_of(entry: object, row: dict[str, Any], field: str = "themes") -> Any:
    return ColumnMapping.from_json({field: entry}).value(field, row)


def test_a_field_comes_from_the_column_of_its_name_unless_mapped() -> None:
    mapping = ColumnMapping.from_json({"start_year": "year", "type": {"const": "manga"}, "synopsis": None})
    row = {"title": "Harbor", "year": 1970, "type": "x", "synopsis": "not ours", "start_year": 1}
    found = {name: mapping.value(name, row) for name in FIELD_NAMES}
    assert {name: value for name, value in found.items() if value is not None} == {
        "title": "Harbor",
        "start_year": 1970,
        "type": "manga",
    }


def test_only_what_is_named_where_the_mapping_says_so() -> None:
    mapping = ColumnMapping.from_json({"$only": True, "manga_id": "manga_id", "title": "title"})
    assert mapping.value("type", {"type": "x"}) is None


@pytest.mark.parametrize(
    ("entry", "row", "value"),
    [
        ("published.prop.from.year", {"published": {"prop": {"from": {"year": 1989}}}}, 1989),
        ("published.prop.from.year", {"published": None}, None),
        ("a.b", {"a.b": 1, "a": {"b": 2}}, 1),
        ('"a.b".c', {"a.b": {"c": 3}}, 3),
        ("genres[].name", {"genres": [{"name": "Action"}, {"name": "Drama"}, {}]}, ["Action", "Drama"]),
        ("genres.name", {"genres": [{"name": "Action, hard"}]}, ["Action, hard"]),
        ("genres[1].name", {"genres": [{"name": "Action"}, {"name": "Drama"}]}, "Drama"),
        ("genres[7].name", {"genres": [{"name": "Action"}]}, None),
        ("titles[type=ja].title", {"titles": [{"type": "x", "title": "H"}, {"type": "ja", "title": "港"}]}, ["港"]),
        ("tags[in!=genre].name", {"tags": [{"in": "genre", "name": "A"}, {"in": "theme", "name": "B"}]}, ["B"]),
        ("people[role=A01|B01].name", {"people": [{"role": ["A01"], "name": "X"}, {"role": "Z", "name": "Y"}]}, ["X"]),
        ("alt.en", {"alt": [{"en": "A"}, {"ja": "B"}, {"en": ["C", "D"]}]}, ["A", "C", "D"]),
        ("genres.name", {"genres": '[{"name": "Action"}]'}, ["Action"]),
        ("genres[0].name", {"genres": "[{'name': 'Action'}]"}, "Action"),
        ({"first": ["a", "b.c"]}, {"a": "", "b": {"c": "x"}}, "x"),
        ({"first": ["a", "b"]}, {"a": ["", "x", "y"]}, ["", "x", "y"]),
        ("titles.*", {"titles": {"en": "A", "ja": "B"}}, ["A", "B"]),
        ("tags[off!=true].name", {"tags": [{"off": True, "name": "A"}, {"off": False, "name": "B"}]}, ["B"]),
        ({"from": "adult", "map": {"true": "adult"}}, {"adult": True}, "adult"),
        ({"from": {"first": ["a"]}, "split": "|"}, {"a": ["x|y", "z"]}, ["x", "y", "z"]),
        ({"all": ["a[].name", "b", {"const": "z"}]}, {"a": [{"name": "x"}], "b": "y"}, ["x", "y", "z"]),
        ({"join": ["family", "given"], "with": ", "}, {"family": "Lee", "given": "Ann"}, "Lee, Ann"),
        ({"join": ["family", "given"]}, {"family": "Lee", "given": None}, "Lee"),
        ({"from": "a", "split": "/"}, {"a": "x/y"}, ["x", "y"]),
        ({"from": "a", "map": {"1": "manga", "x": "X"}}, {"a": 1}, "manga"),
        ({"from": "a", "map": {"x": "X"}}, {"a": ["x", "y"]}, ["X", "y"]),
        ({"from": "a", "null": ["Other"]}, {"a": "other"}, None),
        ({"from": "a", "split": ",", "null": ["-"]}, {"a": "x,-"}, ["x"]),
        ({"from": "a", "role": "art"}, {"a": "Ann"}, {"name": "Ann", "role": "art"}),
        ({"from": "a[].name", "role": "art"}, {"a": [{"name": {"full": "Ann"}}]}, [{"name": "Ann", "role": "art"}]),
    ],
)  # fmt: skip
def test_what_an_entry_can_say(entry: object, row: dict[str, Any], value: object) -> None:
    assert value_of(entry, row) == value


def test_a_field_of_one_value_takes_the_only_one_of_a_list() -> None:
    titles = [{"type": "Japanese", "title": "港"}, {"type": "English", "title": "Harbor"}]
    assert value_of("titles[type=Japanese].title", {"titles": titles}, "title_ja") == "港"
    assert value_of("titles.title", {"titles": titles}, "title_ja") == ["港", "Harbor"]


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ({"first": ["a"]}, "x"),
        ("a", ["", "x", "y"]),
        ({"first": ["b"]}, "v"),
        ({"first": ["c"]}, "w"),
        ({"join": ["b", "c", "a"], "with": "-"}, "v-w-x"),
        ("d.@value", "w"),
    ],
)
def test_one_value_of_several_or_of_an_object(entry: object, value: object) -> None:
    row = {"a": ["", "x", "y"], "b": [{"@language": "en", "value": "v"}], "c": {"@value": "w"}, "d": {"@value": "w"}}
    found = ColumnMapping.from_json({"title_en": entry}).value("title_en", row)
    assert found == value


def test_an_id_is_derived_from_source_and_source_id() -> None:
    entry = {"id_from": {"source": "mal", "id": "mal_id"}}
    found = value_of(entry, {"mal_id": 13}, "manga_id")
    assert found == value_of(entry, {"mal_id": "13"}, "manga_id") == value_of(entry, {"mal_id": 13.0}, "manga_id")
    assert found == derived_id("mal", "13")
    assert MANGA_ID.match(found)
    assert value_of({"id_from": {"source": "other", "id": "mal_id"}}, {"mal_id": 13}, "manga_id") != found
    assert derived_id("mal", "13", 1) != found
    for nothing in ({}, {"mal_id": ""}, {"mal_id": None}, {"mal_id": True}, {"mal_id": 1.5e22}, {"mal_id": [1, 2]}):
        assert value_of(entry, nothing, "manga_id") is None


def test_a_derived_id_never_changes() -> None:
    # Stored answers are found by it.
    assert [derived_id("mal", str(number)) for number in (1, 13)] == ["MNG-2WYKC5N6", "MNG-57H7C0N5"]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"year": "start_year"}, "'year'"),
        ({"start_year": 7}, "'start_year' must be the name of a column"),
        ({"start_year": ""}, "'start_year'"),
        ({"start_year": {"constant": 1}}, "'start_year' has 'constant'; it takes one of const, first, all, join, from"),
        ({"start_year": {"from": "a", "splitt": 1}}, "'start_year' has 'splitt'"),
        ({"start_year": {"from": "a", "null": "x"}}, '"null" a list'),
        ({"start_year": {"first": []}}, "'first' must be a list"),
        ({"start_year": "a[b.c"}, "'start_year' 'a\\[b.c' is no path from character 1 on"),
        ({"start_year": "a[b].c"}, "neither a number nor key=value"),
        ({"manga_id": {"const": "MNG-AAAAAAAA"}}, "'manga_id'"),
        ({"manga_id": {"id_from": {"source": "x"}}}, "'manga_id'"),
        ({"title": None}, "'title'"),
        ({"$only": True, "title": "t"}, "'manga_id' is required"),
        (["title"], "JSON object"),
    ],
)
def test_a_bad_mapping_is_one_error_naming_setting_field_and_fix(document: object, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"MANGA_CATALOG_MAPPING.*{named}"):
        ColumnMapping.from_json(document)


def test_a_source_without_a_mapped_or_required_column_is_refused() -> None:
    mapping = ColumnMapping.from_json({"start_year": "year", "themes": "tags[0].name"})
    mapping.check_columns(["manga_id", "title", "year", "tags"])
    with pytest.raises(ConfigurationError, match=r"'year' for the field 'start_year' .*manga_id, tags, title\)"):
        mapping.check_columns(["manga_id", "title", "tags"])
    with pytest.raises(ConfigurationError, match="'tags' for the field 'themes'"):
        mapping.check_columns(["manga_id", "title", "year"])
    with pytest.raises(ConfigurationError, match="'title'"):
        SAME_NAMES.check_columns(["manga_id"])
