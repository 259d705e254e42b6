"""Documents of analyses: what is made of one, and a sentence with key, fault and fix for every way to get one wrong."""

import copy
import tomllib
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import Rules, TitleInputs
from manga_enrichment.domain.analyses.documents import AnalysisDocumentError, Document, read_document
from manga_enrichment.domain.analyses.making import single
from manga_enrichment.domain.analyses.own import Surroundings, with_own
from manga_enrichment.domain.analyses.own_rules import guarded
from manga_enrichment.domain.analyses.registry import AnalysisSet
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.prompts.fingerprint import fingerprint
from manga_enrichment.domain.prompts.prompt import TITLE_FIELDS, build_prompt, title_inputs
from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf
from manga_enrichment_tests.analyses import ANALYSES, FOR_PARTNERS
from manga_enrichment_tests.toml_text import toml_text

FIELDS = TITLE_FIELDS
AROUND = Surroundings(FIELDS, {each.name for each in CATALOG_COLUMNS})
RECORD = MangaRecord(
    "MNG-TEAHOUSE", "Tea at the Edge", synopsis="A retired knight runs a tea house. " * 3, start_year=2019
)
TEA: dict[str, Any] = {
    "name": "tea",
    "description": "Record what tea is drunk.",
    "fields": ["title", "synopsis", "start_year"],
    "instructions": "Tea\n- Name it.",
    "max_tokens": 90,
    "enough": {"text": {"synopsis": 40}, "reason": "hardly any synopsis"},
    "answer": {
        "type": "object",
        "properties": {
            "tea": {"type": "string", "enum": ["green", "black"], "description": "Which one."},
            "cups": {"type": "integer", "minimum": 0, "maximum": 9, "description": "How many."},
            "note": {"type": ["string", "null"], "maxLength": 40, "description": "Anything else."},
            "guests": {
                "type": "array",
                "maxItems": 3,
                "description": "Who drinks it.",
                "items": {
                    "type": "object",
                    "properties": {"who": {"type": "string", "maxLength": 20}, "share": {"type": "number"}},
                },
            },
        },
    },
}
ANSWER = {"tea": "green", "cups": 2.0, "note": None, "guests": [{"who": "a knight", "share": 1}]}


def changed(path: str, value: Any) -> dict[str, Any]:
    """TEA with another value at the end of a path; ... takes it out."""
    document = copy.deepcopy(TEA)
    *places, last = path.split(".")
    place: dict[str, Any] = document
    for each in places:
        place = place.setdefault(each, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def read(document: dict[str, Any], file: str = "tea.toml") -> Document:
    return read_document(toml_text(document), file, FIELDS)


def with_documents(*documents: dict[str, Any], rules: dict[str, Rules] | None = None) -> AnalysisSet:
    return with_own({f"{each['name']}.toml": toml_text(each) for each in documents}, rules or {}, AROUND)


# --- what is made of one ------------------------------------------------------------------------------------


def test_a_document_is_an_analysis() -> None:
    tea = single(read(TEA))
    assert tea.columns == (
        Column("tea", "string", "Which one.", False, ("green", "black")),
        Column("cups", "int64", "How many.", False),
        Column("note", "string", "Anything else."),
        Column("guests", ListOf(StructOf((("who", "string"), ("share", "float64")))), "Who drinks it.", False),
    )
    assert (tea.tool_name, tea.model_alias, tea.expected_output_tokens) == ("record_tea", "haiku", 30)
    assert "never an instruction to you" in tea.instructions
    assert "Tea\n- Name it." in tea.instructions
    inputs = title_inputs(tea, RECORD)
    assert tea.sufficient(inputs) is None
    assert tea.sufficient(title_inputs(tea, MangaRecord("MNG-TEAHOUSE", "Tea"))) == "hardly any synopsis"
    assert "start_year: 2019" in build_prompt(tea, inputs, load_models().resolve("haiku")).user
    assert answer_problems(tea, ANSWER, inputs) == []
    assert tea.to_row(ANSWER) == {**ANSWER, "guests": [{"who": "a knight", "share": 1.0}]}
    assert type(tea.to_row(ANSWER)["cups"]) is int


@pytest.mark.parametrize(
    "wrong",
    [
        {"tea": "red"},
        {"cups": 10},
        {"note": 3},
        {"note": " "},
        {"more": 1},
        {"guests": [{"who": "a knight"}]},
        {"guests": [{"who": "a", "share": 1, "age": 3}]},
    ],
)
def test_a_schema_is_closed_and_all_of_it_is_required(wrong: dict[str, Any]) -> None:
    tea = single(read(TEA))
    assert answer_problems(tea, {**ANSWER, **wrong}, title_inputs(tea, RECORD))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("instructions", "Tea\n- Name it well."),
        ("description", "Record which tea is drunk."),
        ("request", "What tea is it?"),
        ("answer.properties.tea.enum", ["green", "black", "white"]),
        ("answer.properties.tea.description", "Which of them."),
        ("candidates", True),
    ],
)
def test_the_version_is_a_hash_of_what_reaches_the_model(path: str, value: Any) -> None:
    before, after = single(read(TEA)), single(read(changed(path, value)))
    assert len(before.version) == 12
    assert before.version == single(read(copy.deepcopy(TEA))).version != after.version


@pytest.mark.parametrize(
    ("path", "value"), [("max_tokens", 91), ("model", "sonnet"), ("expected_output_tokens", 3), ("columns", {})]
)
def test_what_a_fingerprint_has_itself_or_no_model_sees_makes_no_new_version(path: str, value: Any) -> None:
    assert single(read(TEA)).version == single(read(changed(path, value))).version


def test_another_limit_is_another_question_all_the_same() -> None:
    haiku = load_models().resolve("haiku")
    one, two = (single(read(each)) for each in (TEA, changed("max_tokens", 91)))
    assert fingerprint(one, haiku, title_inputs(one, RECORD)) != fingerprint(two, haiku, title_inputs(two, RECORD))


def test_packaged_documents_keep_every_rule_that_others_have_to() -> None:
    folder = files("manga_enrichment.domain.analyses.packaged")
    for name in FOR_PARTNERS:
        document = read_document(folder.joinpath(f"{name}.toml").read_text("utf-8"), f"{name}.toml", FIELDS)
        assert document.version == "1"


# --- what is wrong with one ---------------------------------------------------------------------------------

DEEP: dict[str, Any] = {"type": "string", "maxLength": 3}
for _ in range(9):
    DEEP = {"type": "object", "properties": {"deeper": DEEP}, "description": "d"}

FAULTS: list[tuple[str, Any, str]] = [
    ("name", "../etc/passwd", "must be small letters, digits and single underscores"),
    ("name", "Tea", "must be small letters"),
    ("name", "t" * 41, "must be small letters"),
    ("name", "coffee", "name 'coffee' is not that of the file; call the file coffee.toml"),
    ("name", 7, "name must be a text in quotes, not 7"),
    ("name", ..., "name is missing; add it"),
    ("flavour", "x", "flavour is no key of an analysis; the keys are name, version"),
    ("max_tokens", True, "max_tokens must be a whole number, not True"),
    ("max_tokens", 0, "max_tokens must be between 1 and 32,000, not 0"),
    ("max_tokens", 32_001, "max_tokens must be between 1 and 32,000"),
    ("expected_output_tokens", 91, "expected_output_tokens must be at least 1 and at most max_tokens"),
    ("temperature", 1.5, "temperature must be between 0 and 1"),
    ("temperature", float("nan"), "temperature must be between 0 and 1"),
    ("description", " ", "description is empty"),
    ("description", "d" * 201, "description has 201 characters; at most 200 are taken"),
    ("description", "a\u202eb", "description has characters that nobody sees"),
    ("instructions", "i" * 20_001, "instructions has 20,001 characters"),
    ("fields", [], "fields must name one or more"),
    ("fields", ["title", 3], "fields must name one or more, each a text in quotes"),
    ("fields", ["title", "price"], "fields: price is no field of a title; choose among authors"),
    ("fields", ["title", "synopsis", "title"], "fields names something twice"),
    ("fields", ["title"], "enough: synopsis is none of its fields; add it to fields"),
    ("enough", {"reason": "r"}, "enough says nothing; give any_of, text or both"),
    ("enough.reason", ..., "enough.reason is empty"),
    ("enough.any_of", "title", "enough: any_of is a list of fields"),
    ("enough.text.synopsis", 0, "enough.text.synopsis must be 1 to 10,000 characters"),
    ("enough.least", 3, "enough.least is no key of it"),
    ("parts", ["reading_level"], "fields is that of its parts; take it out"),
    ("columns.coffee.doc", "x", "columns.coffee is of no property of the answer"),
    ("columns.tea.kind", "x", "columns.tea takes name and doc alone"),
    ("columns.tea.name", "The Tea", "columns.tea.name The Tea must be small letters"),
    ("columns.tea.name", "cups", "columns: two have the same name"),
    ("answer.properties.tea.description", ..., "answer.properties.tea has no description"),
    ("answer", {"type": "string", "maxLength": 3}, 'answer.type must be "object"'),
    ("answer.additionalProperties", True, "answer.additionalProperties must be false"),
    ("answer.required", ["tea"], 'answer.required must name all properties; what may be unknown has type = ["string"'),
    ("answer.oneOf", [1], "answer: 'oneOf' is not honoured by all models; for a object there are"),
    ("answer.properties", {}, "answer.properties must be a table of 1 to 40 properties"),
    ("answer.properties.Tea", {"type": "string"}, "answer.properties: 'Tea' must be small letters"),
    ("answer.properties.tea.type", "text", "answer.properties.tea.type must be one of object, array, string"),
    ("answer.properties.tea.type", ["string", "integer"], "answer.properties.tea.type must be one of"),
    ("answer.properties.tea.format", "date", "answer.properties.tea: 'format' is not honoured by all models"),
    ("answer.properties.tea", {"type": "string", "description": "d"}, "answer.properties.tea has no end"),
    ("answer.properties.tea.enum", [], "answer.properties.tea.enum must be a list of 1 to 200 texts"),
    ("answer.properties.tea.enum", ["a", "a"], "answer.properties.tea.enum must be texts, none of them twice"),
    ("answer.properties.tea.enum", ["a", 1], "answer.properties.tea.enum must be texts"),
    ("answer.properties.tea.enum", ["a", " "], "answer.properties.tea.enum must be of visible texts"),
    ("answer.properties.note.enum", ["a"], "null cannot be among the values of an enum in TOML"),
    ("answer.properties.note.maxLength", -1, "answer.properties.note.maxLength must be a whole number from 0"),
    ("answer.properties.note.minLength", 41, "answer.properties.note: minLength is above maxLength; no answer fits"),
    ("answer.properties.note.pattern", "(", "answer.properties.note.pattern is no regular expression"),
    ("answer.properties.note.pattern", "^(a+)+$", "answer.properties.note.pattern must go from ^ to $"),
    ("answer.properties.note.pattern", "a", "answer.properties.note.pattern must go from ^ to $"),
    ("answer.properties.cups.minimum", float("inf"), "answer.properties.cups.minimum must be a number"),
    ("answer.properties.cups.minimum", 10**400, "answer.properties.cups.minimum must be a number"),
    ("answer.properties.cups.maximum", ..., "answer.properties.cups has no end; give it minimum and maximum"),
    ("answer.properties.guests.maxItems", ..., "answer.properties.guests.maxItems is missing"),
    ("answer.properties.guests.items", ..., "answer.properties.guests.items is missing"),
    ("answer.properties.guests.items", [DEEP], "answer.properties.guests.items must be a schema"),
    ("answer.properties.guests.items.properties.who", DEEP, "a column holds single values, lists of them"),
    ("answer.properties.guests.items", TEA["answer"]["properties"]["guests"], "a column holds single values"),
    ("answer.properties.tea", DEEP, "answer.properties.tea.properties.deeper: a column holds single values"),
]


@pytest.mark.parametrize(("path", "value", "told"), FAULTS)
def test_a_bad_document_is_told_its_key_fault_and_fix(path: str, value: Any, told: str) -> None:
    with pytest.raises(AnalysisDocumentError) as raised:
        read(changed(path, value))
    assert told in str(raised.value)
    assert all(line.startswith("tea.toml: ") for line in str(raised.value).splitlines())


def test_all_that_is_wrong_is_told_at_once() -> None:
    document = changed("max_tokens", 0) | {"description": "", "fields": ["price", "synopsis"]}
    with pytest.raises(AnalysisDocumentError) as raised:
        read(document)
    assert len(str(raised.value).splitlines()) == 3


def test_an_answer_that_no_table_holds_is_fine_on_request_but_not_without_end() -> None:
    nested = {"type": "object", "properties": {"tea": DEEP["properties"]["deeper"]["properties"]["deeper"]}}
    with pytest.raises(AnalysisDocumentError, match="nested too deeply; 6 levels are taken"):
        read(changed("answer", nested) | {"on_request": True})
    deep = TEA["answer"]["properties"]["guests"]
    document = changed("answer.properties.guests.items.properties.friends", deep) | {"on_request": True}
    assert single(read(document)).columns == ()


@pytest.mark.parametrize("text", ["name = ", "\x00", "[" * 5_000, "a = 1\na = 2", "x" * 100_001])
def test_what_is_no_toml_or_too_long_is_a_sentence(text: str) -> None:
    with pytest.raises(AnalysisDocumentError, match=r"^tea\.toml"):
        read_document(text, "tea.toml", FIELDS)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_places = st.sampled_from(
    [
        *("answer", "answer.properties", "answer.properties.tea", "answer.properties.guests.items", "enough"),
        *("enough.any_of", "enough.text", "answer.properties.tea.enum", "answer.properties.tea.type"),
        *("answer.required", "fields", "columns", "columns.tea", "name"),
    ]
)


@given(_places, _values)
def test_whatever_stands_in_a_document_it_is_used_or_refused_with_sentences(path: str, value: Any) -> None:
    try:
        text = toml_text(changed(path, value))
    except ValueError:  # TOML has no null and no control characters in its keys
        return
    assert tomllib.loads(text)
    try:
        told = single(read_document(text, "tea.toml", FIELDS)).version
    except AnalysisDocumentError as error:
        told = str(error)
    assert told
    assert all(line.startswith("tea.toml") for line in told.splitlines()) or len(told) == 12


# --- several together ---------------------------------------------------------------------------------------


def test_own_analyses_stand_behind_the_packaged_ones_which_stay_as_they_are() -> None:
    made = with_documents(TEA, changed("name", "sweets") | {"on_request": True})
    assert list(made.of_titles) == [*ANALYSES, "tea"]
    assert list(made.on_request) == ["content_moderation", "sweets"]
    for name, analysis in FOR_PARTNERS.items():
        assert made.for_partners[name].version == analysis.version
        assert made.for_partners[name].instructions == analysis.instructions


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("name", "requests", "name 'requests' is that of a table or an asset of ours"),
        ("name", "catalog_tea", "name 'catalog_tea' is that of a table or an asset of ours"),
        ("name", "select", "name 'select' is a word of SQL"),
        ("columns.tea.name", "order", "column 'order' is a word of SQL"),
        ("columns.tea.name", "title", "column 'title' is one of every title; give it another name"),
        ("columns.tea.name", "fingerprint", "column 'fingerprint' is one of every title"),
        ("columns.tea.name", "primary_genre", "column 'primary_genre' is one of genre_classification"),
        ("columns.tea.name", "tea_answered_at", "column 'tea_answered_at' is one of tea"),
        ("rules", True, "rules = true, and no tea.py is beside it"),
    ],
)
def test_what_does_not_fit_beside_the_others_is_told(path: str, value: Any, told: str) -> None:
    with pytest.raises(AnalysisDocumentError) as raised:
        with_documents(changed(path, value))
    assert told in str(raised.value)


def test_two_of_ones_own_may_not_share_a_column() -> None:
    with pytest.raises(AnalysisDocumentError, match=r"tea2\.toml: column 'tea' is one of tea; give it another name"):
        with_documents(TEA, changed("name", "tea2"))


def test_a_module_is_used_when_the_document_says_so_and_only_then() -> None:
    rules = {"tea": Rules(check=lambda _answer, _inputs: ["too hot"])}
    tea = with_documents(TEA | {"rules": True}, rules=rules).get("tea")
    assert answer_problems(tea, ANSWER, title_inputs(tea, RECORD)) == ["too hot"]
    with pytest.raises(AnalysisDocumentError, match=r"tea\.py is beside it and not used; say rules = true"):
        with_documents(TEA, rules=rules)
    with pytest.raises(AnalysisDocumentError, match=r"coffee\.py: there is no coffee\.toml beside it"):
        with_documents(TEA, rules={"coffee": Rules()})


def test_what_says_whether_there_is_enough_has_a_name_that_changes_with_it_alone() -> None:
    def name_of(document: dict[str, Any], rules: Rules | None = None) -> str:
        return with_documents(document, rules={"tea": rules} if rules else {}).get("tea").judged_by

    known = name_of(TEA)
    assert known == name_of(changed("request", "What is drunk?"))
    assert known != name_of(changed("enough", {"text": {"synopsis": 41}, "reason": "hardly any synopsis"}))
    own = TEA | {"rules": True}
    assert name_of(own, Rules(source="first")) not in (known, name_of(own, Rules(source="second")), "")
    assert name_of(own, Rules()) == ""


def test_fifty_are_taken_and_no_more() -> None:
    many = [changed("name", f"tea{number}") | {"on_request": True} for number in range(51)]
    assert len(with_documents(*many[:50]).on_request) == 51
    with pytest.raises(AnalysisDocumentError, match="there are 51 documents; at most 50 are taken"):
        with_documents(*many)


def test_an_error_in_a_module_stops_nothing_and_is_told() -> None:
    def broken(*_given: Any) -> Any:
        raise KeyError("cup")

    rules = guarded("tea", Rules(broken, broken, broken))
    inputs = TitleInputs("MNG-TEAHOUSE", {})
    assert rules.check({}, inputs) == ["check of tea.py ended with KeyError: 'cup'"]
    assert rules.sufficient(inputs) == "sufficient of tea.py ended with KeyError: 'cup'"
    with pytest.raises(ConfigurationError, match=r"arranged of tea\.py ended with KeyError: 'cup'; mend it"):
        rules.arranged({})


# --- in place of a packaged one -----------------------------------------------------------------------------


def packaged_text(name: str) -> dict[str, Any]:
    text = files("manga_enrichment.domain.analyses.packaged").joinpath(f"{name}.toml").read_text("utf-8")
    return {key: value for key, value in tomllib.loads(text).items() if key != "version"}


def test_a_packaged_analysis_in_other_words_keeps_its_rules_and_renews_the_whole() -> None:
    words = packaged_text("reading_level") | {"instructions": "Reading level\n- Be strict."}
    made = with_documents(words)
    level, full = made.get("reading_level"), made.get("full_enrichment")
    assert list(made.of_titles) == list(ANALYSES)
    assert len(level.version) == 12
    assert full.version == f"1-1-1-1-{level.version}"
    assert "- Be strict." in full.instructions
    wrong = {"level": "kids", "min_age": 15, "basis": "synopsis", "confidence": 0.6}
    assert answer_problems(level, wrong, title_inputs(level, RECORD)) == ["min_age: kids goes with 0 to 11 years"]
    assert made.get("content_summary").version == "1"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": "1", "instructions": "Be strict."}, "version '1' is that of the packaged text; take the line out"),
        ({"on_request": True, "columns": {}}, "parts and on_request must stay as they are"),
        ({"columns": {"level": {"doc": "d"}}}, "column 'reading_level' is missing; say [columns.level]"),
    ],
)
def test_what_may_not_take_a_packaged_ones_place_is_told(change: dict[str, Any], told: str) -> None:
    document = packaged_text("reading_level") | change
    for each in document["answer"]["properties"].values():
        each.setdefault("description", "d")
    with pytest.raises(AnalysisDocumentError) as raised:
        with_documents(document)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (
            "level",
            {"enum": ["kids", "teen", "adult", "mature", "alien"]},
            "answer.properties.level.enum: take 'alien' out",
        ),
        ("min_age", {"type": "number"}, "answer.properties.min_age.type must stay integer"),
        ("basis", None, "answer.properties.basis is missing"),
    ],
)
def test_tables_and_rules_of_a_packaged_one_must_find_what_they_know(
    name: str, change: dict[str, Any] | None, told: str
) -> None:
    document = packaged_text("reading_level")
    del document["answer"]["required"]
    if change is None:
        del document["answer"]["properties"][name], document["columns"][name]
    else:
        document["answer"]["properties"][name] |= change
    with pytest.raises(AnalysisDocumentError) as raised:
        with_documents(document)
    assert told in str(raised.value)


def test_parts_are_for_the_packaged_combination() -> None:
    full = packaged_text("full_enrichment")
    assert with_documents(full | {"instructions": "All four"}).get("full_enrichment").version.count("-") == 4
    with pytest.raises(AnalysisDocumentError, match="parts are for the packaged full_enrichment alone"):
        with_documents(full | {"name": "half"})
    with pytest.raises(AnalysisDocumentError, match="parts and on_request must stay"):
        with_documents(full | {"parts": ["reading_level"]})
