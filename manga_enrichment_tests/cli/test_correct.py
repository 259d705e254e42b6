"""`manga-enrichment correct` and `corrections`: an answer set right, listed and taken back, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.pipeline.again.store import Press, add_presses, read_presses
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.enrichment.wide_table import TABLE, write_enriched
from manga_enrichment.pipeline.labels.store import read_labels
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.pipeline.store.rows import answer_row, answer_schema, merge_rows
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, entry, put_catalog, record, title_id
from manga_enrichment_tests.cli.conftest import Command

LEVEL = ANALYSES["reading_level"]
ABOUT = ("--title", title_id(1), "--analysis", LEVEL.name, "--by", "ab", "--because", "by the cover")


@pytest.fixture
def night(gateways: Gateways, fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch) -> Gateways:
    """One title with a level."""
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "1")
    put_catalog(gateways.tables, [record(1)])
    rows = [answer_row(LEVEL, entry(LEVEL.name, record(1)))]
    gateways.tables.write(table_key(LEVEL.name, BUCKET), merge_rows(None, rows, [title_id(1)], answer_schema(LEVEL)))
    write_enriched(gateways.tables, BUCKET, list(ANALYSES.values()), Origin("run-1", gateways.clock.now()))
    return gateways


def wide(gateways: Gateways) -> tuple[object, object]:
    stored = gateways.tables.read(table_key(TABLE, BUCKET))
    assert stored is not None
    (row,) = stored.table.to_pylist()
    return row["min_age"], row["corrected"]


def test_an_answer_is_set_right_listed_and_taken_back(command: Command, night: Gateways) -> None:
    models, nothing = wide(night)
    assert nothing is None
    said = command("correct", *ABOUT, "--field", "min_age", "--value", "17")
    assert said.exit_code == 0, said.output
    assert f"{title_id(1)} reading_level.min_age: 17 (was {models})\n  ab, " in said.output
    assert (
        " UTC: by the cover\n  mind that its fields disagree now: min_age: teen goes with 12 to 15 years\n"
        in said.output
    )
    assert wide(night) == (17, ["min_age"])
    listed = command("corrections").output
    assert said.output.startswith(listed)
    assert listed.endswith(" UTC: by the cover\n")
    back = command("correct", *ABOUT, "--field", "min_age", "--take-back")
    assert "reading_level.min_age: taken back (was 17)" in back.output
    assert wide(night) == (models, None)
    assert command("corrections").output == "There is no correction.\n"
    assert command("corrections", "--all", "--analysis", LEVEL.name).output == listed + back.output
    lines = command("corrections", "--title", title_id(1), "--all", "--json").output.splitlines()
    assert [(each["kind"], each["value"], each["replaced"]) for each in map(json.loads, lines)] == [
        ("correction", 17, models),
        ("taken_back", None, 17),
    ]
    assert command("corrections", "--title", title_id(2), "--json").output == ""


def test_a_name_is_taken_out_of_corrections_and_of_what_was_asked_again(command: Command, night: Gateways) -> None:
    wanted = Press(title_id(1), LEVEL.name, 1, LEVEL.name, "ab", night.clock.now(), "too young")
    add_presses(night.tables, BUCKET, lambda _known: [wanted])
    assert command("correct", *ABOUT, "--field", "min_age", "--value", "17").exit_code == 0
    named = "1 labels and corrections, 1 notes of what was asked again"
    dry = command("forget", "--editor", "ab", "--dry-run")
    assert dry.output == f"the name would be taken out of {named}\n"
    assert read_presses(night.tables, BUCKET).rows == (wanted,)
    assert command("forget", "--editor", "ab", "--yes").output == f"the name was taken out of {named}\n"
    assert [each.by for each in read_labels(night.tables, LEVEL.name)] == ["forgotten"]
    assert read_presses(night.tables, BUCKET).rows == (replace(wanted, by="forgotten"),)
    again = command("forget", "--editor", "ab", "--yes", "--json")
    assert json.loads(again.output) == {"labels": 0, "asked_again": 0, "dry_run": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--field", "min_age"), "name one: --value with what is right, or --take-back"),
        (("--field", "min_age", "--value", "3", "--take-back"), "name one: --value with what is right"),
        (("--field", "min_age", "--value", "99"), "min_age cannot be that: 99 must be at most 18"),
        (("--field", "age", "--value", "9"), "reading_level has no field 'age': its fields are reading_level, min"),
        (("--field", "min_age", "--value", "9", "--title", "MNG-0000000X"), "has no answer of reading_level"),
        (("--field", "min_age", "--value", "9", "--analysis", "mood"), "mood"),
        (("--field", "min_age", "--take-back"), "has no correction that could be taken back"),
    ],
)
def test_what_is_refused_says_why_and_keeps_nothing(
    command: Command, night: Gateways, words: tuple[str, ...], said: str
) -> None:
    result = command("correct", *ABOUT, *words)
    assert (result.exit_code > 0, said in f"{result.output}{result.exception}") == (True, True), result.output
    assert read_labels(night.tables, LEVEL.name) == []


@pytest.mark.parametrize(
    ("cells", "why", "said"),
    [
        ("manga_id,min_age\nMNG-00000001,99\n", "seen", "MNG-00000001: min_age cannot be that: 99 must be at most"),
        ("manga_id,min_age,note\nMNG-00000001,9,\n", "", "MNG-00000001: a correction needs a reason: --why, or a cell"),
    ],
)
def test_a_sheet_of_corrections_is_held_to_the_same(
    command: Command, gateways: Gateways, fresh_stack_state: None, tmp_path: Path, cells: str, why: str, said: str
) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(cells)
    words = ("--analysis", LEVEL.name, "--read", sheet, "--by", "ab", "--why", why, "--correction")
    result = command("label", *words)
    assert (result.exit_code, said in result.output) == (1, True), result.output
    assert read_labels(gateways.tables, LEVEL.name) == []
