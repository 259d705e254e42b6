"""`manga-enrichment label`: a sheet out, a filled one back, and the store that trials take for truth."""

import csv
from pathlib import Path

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.pipeline.labels.store import labelled, read_labels
from manga_enrichment_tests.builders import put_catalog, record
from manga_enrichment_tests.cli.conftest import Command

LEVEL = "reading_level"


def fill_in(sheet: Path, **cells: str) -> list[str]:
    """Every line of it; the ids of its titles."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, **cells} for row in rows)
    return [row["manga_id"] for row in rows]


def test_a_sheet_goes_out_and_comes_back_and_the_next_has_other_titles(
    command: Command, gateways: Gateways, fresh_stack_state: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "1")
    put_catalog(gateways.tables, [record(n) for n in range(1, 11)])
    sheet = tmp_path / "sheet.csv"
    result = command("label", "--analysis", LEVEL, "--titles", 6, "--out", sheet)
    assert result.exit_code == 0, result.output
    assert "6 titles; 0 others have labels" in result.output
    assert "[kids, teen, adult, mature]" in result.output
    first = fill_in(sheet, reading_level="teen", note="sure")
    result = command("label", "--analysis", LEVEL, "--read", sheet, "--by", "ab", "--correction")
    assert result.exit_code == 0, result.output
    assert "6 labels of 6 titles are kept (version 1 of reading_level)" in result.output
    assert labelled(gateways.tables, [LEVEL]) == {manga_id: {LEVEL: "teen"} for manga_id in first}
    assert {(each.by, each.why, each.kind.value) for each in read_labels(gateways.tables, LEVEL)} == {
        ("ab", "sure", "correction")
    }
    result = command("label", "--analysis", LEVEL, "--titles", 4, "--out", sheet)
    assert "4 titles; 6 others have labels" in result.output
    assert not set(fill_in(sheet)) & set(first)
    result = command("label", "--analysis", LEVEL, "--titles", 5, "--out", sheet)
    assert (result.exit_code, "5 titles are more than the 4" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--analysis", LEVEL), "name a file: --out for a sheet to fill in, --read for a filled one"),
        (
            ("--analysis", "full_enrichment", "--out", "x.csv"),
            "label the parts of full_enrichment: genre",
        ),
        (("--analysis", LEVEL, "--read", "FILE"), "--by is missing: say who filled the sheet in"),
        (("--analysis", LEVEL, "--read", "FILE", "--by", "ab"), "reading_level cannot be 'old'; it is one of kids"),
    ],
)
def test_what_cannot_be_labelled_is_said(
    command: Command, aws_environment: dict[str, str], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("manga_id,reading_level\nMNG-00000001,old\n", "utf-8")
    result = command("label", *(sheet if word == "FILE" else word for word in words))
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
