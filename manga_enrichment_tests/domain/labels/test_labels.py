"""What holds of many labels, and the sheet that they come from."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from manga_enrichment.domain.labels.labels import Label, LabelKind, standing, standing_corrections
from manga_enrichment.domain.labels.sheets import how_to_fill_in, sheet
from manga_enrichment.domain.trials.contenders import TrialError
from manga_enrichment.domain.trials.truth import read_notes, read_truth
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import record, title_id

LEVEL = ANALYSES["reading_level"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(manga_id: str, field: str, value: object, minutes: int, by: str = "ab") -> Label:
    return Label(manga_id, LEVEL.name, field, value, by, NOW + timedelta(minutes=minutes))


def test_the_last_word_on_a_field_holds_whatever_the_clocks_showed() -> None:
    levels = [said("A", "level", "kids", 3), said("A", "level", "teen", 1)]
    others = [said("A", "min_age", 3, 2), said("B", "level", "x", 1)]
    assert standing([*levels, *others]) == {"A": {"level": "teen", "min_age": 3}, "B": {"level": "x"}}
    assert standing([*levels[::-1], *others]) == {"A": {"level": "kids", "min_age": 3}, "B": {"level": "x"}}


@pytest.mark.parametrize("minutes", [1, 0, -1])
def test_labels_and_corrections_hold_by_the_order_in_which_they_were_kept(minutes: int) -> None:
    label, corrected, later, relabelled, back = (
        replace(said("A", "level", value, number * minutes), kind=kind)
        for number, (value, kind) in enumerate(
            [
                ("kids", LabelKind.LABEL),
                ("teen", LabelKind.CORRECTION),
                ("adult", LabelKind.CORRECTION),
                ("mature", LabelKind.LABEL),
                (None, LabelKind.TAKEN_BACK),
            ]
        )
    )
    known = [label, corrected, later]
    assert (standing(known), standing_corrections(known)) == ({"A": {"level": "adult"}}, [later])
    assert (standing([*known, back]), standing_corrections([*known, back])) == ({"A": {"level": "kids"}}, [])
    known.append(relabelled)
    assert (standing(known), standing_corrections(known)) == ({"A": {"level": "mature"}}, [later])
    assert standing([*known, back]) == {"A": {"level": "mature"}}


def test_what_was_taken_back_holds_no_more() -> None:
    assert standing([said("A", "level", "kids", 1), said("A", "level", None, 2)]) == {}
    assert standing([said("A", "level", None, 1), said("A", "level", "kids", 2)]) == {"A": {"level": "kids"}}
    assert standing([]) == {}


def filled(text: str, **cells: str) -> str:
    """The sheet with the first title's cells filled in."""
    rows = list(csv.DictReader(io.StringIO(text)))
    rows[0].update(cells)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_a_sheet_shows_what_a_model_is_shown_and_comes_back_with_what_was_filled_in() -> None:
    text = sheet(LEVEL, LEVEL.columns, [record(1), record(2)])
    first = next(iter(csv.DictReader(io.StringIO(text))))
    assert first["about_synopsis"].startswith("Two friends take over")
    assert first["about_demographics"] == "josei"
    assert {first[column.name] for column in LEVEL.columns} == {""}
    back = filled(text, reading_level="teen", min_age="12", note="by the cover")
    assert read_truth(back, "sheet.csv", LEVEL.columns) == {title_id(1): {"reading_level": "teen", "min_age": 12}}
    assert read_notes(back) == {title_id(1): "by the cover", title_id(2): ""}
    with pytest.raises(TrialError, match=r"sheet.csv says nothing about the answer"):
        read_truth(text, "sheet.csv", LEVEL.columns)


def test_no_cell_is_a_formula() -> None:
    text = sheet(LEVEL, LEVEL.columns, [record(1, title="=HYPERLINK(A1)", synopsis="-1 days. " * 20, publisher="+81")])
    first = next(iter(csv.DictReader(io.StringIO(text))))
    assert (first["about_title"], first["about_publisher"]) == ("'=HYPERLINK(A1)", "'+81")
    assert first["about_synopsis"].startswith("'-1 days")


def test_it_is_said_what_may_stand_in_each_column() -> None:
    lines = how_to_fill_in(LEVEL.columns)
    assert len(lines) == len(LEVEL.columns)
    assert lines[0].startswith("reading_level: ")
    assert lines[0].endswith("[kids, teen, adult, mature]")
