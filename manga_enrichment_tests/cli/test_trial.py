"""`manga-enrichment trial` says what is wrong with its input in a sentence, before it reaches for anything."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from manga_enrichment.cli.trial import standings_table
from manga_enrichment.pipeline.trials.page import table_row
from manga_enrichment_tests.cli.conftest import Command
from manga_enrichment_tests.pipeline.trials.trial_stage import TITLES, TrialStage, other_model, prompt_variant


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--analysis", "reading_levels", "--model", "sonnet"),
            "Unknown analysis type 'reading_levels': choose",
        ),
        (("--analysis", "reading_level"), "Nothing to try: name a model (--model) or a document (--candidate)"),
        (("--analysis", "reading_level", "--model", "opuss"), "Unknown model 'opuss': the known aliases are"),
        (("--analysis", "reading_level", "--model", "haiku"), "haiku is what today is: version 1 of reading_level"),
    ],
)
def test_what_cannot_be_tried_is_said(command: Command, words: tuple[str, ...], said: str) -> None:
    result = command("trial", *words)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            b"manga_id,level\nMNG-C4G0F4AW,teen\n",
            "truth.csv: level is no field of the answer; fields are reading",
        ),
        (b"\xff\xfe", "cannot be read as UTF-8 text"),
    ],
)
def test_truth_that_cannot_be_used_is_said(command: Command, tmp_path: Path, text: bytes, said: str) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_bytes(text)
    result = command("trial", "--analysis", "reading_level", "--model", "sonnet", "--truth", truth)
    assert result.exit_code == 1
    assert said in result.output


def test_a_schema_that_narrows_and_an_unknown_field_are_said(command: Command, tmp_path: Path) -> None:
    packaged = Path(__file__).parents[2] / "manga_enrichment/domain/analyses/packaged/reading_level.toml"
    text = packaged.read_text("utf-8").replace('version = "1"\n', "")
    for old, new, said in (
        ('"adult", "mature"]', '"adult"]', "narrows the answer: answer.level no longer allows mature"),
        ('"themes", "synopsis",', '"themes", "plot",', "plot is no field of a title; choose among"),
    ):
        candidate = tmp_path / "narrow.toml"
        assert old in text
        candidate.write_text(text.replace(old, new), "utf-8")
        result = command("trial", "--analysis", "reading_level", "--candidate", candidate)
        assert result.exit_code == 1
        assert said in result.output


def test_a_promotion_that_has_nowhere_to_go_is_said(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = Path(__file__).parents[2] / "manga_enrichment/domain/analyses/packaged/reading_level.toml"
    candidate = tmp_path / "anew.toml"
    candidate.write_text(packaged.read_text("utf-8").replace('version = "1"', 'version = "2"'), "utf-8")
    for words, said in (
        ((), "Nothing to try: name a model"),
        (("--candidate", candidate), "MANGA_ANALYSES_DIR is not set"),
        (("--model", "sonnet"), "--env-file is missing: name the file that sets MANGA_LANE_MODELS"),
        (("--model", "haiku"), "haiku is what today is"),
        (("--model", "haiku", "--canary", 60), "60.0 is not in the range 0<=x<=50"),
    ):
        result = command("promote", "--analysis", "reading_level", *words)
        assert result.exit_code != 0
        assert said in result.output
        assert "Traceback" not in result.output


@pytest.mark.parametrize(("columns", "in_one_line"), [(80, False), (120, True)])
def test_a_narrow_terminal_breaks_no_figure(columns: int, *, in_one_line: bool) -> None:
    stage = TrialStage()
    report = stage.tried(stage.question(prompt_variant(), other_model(), titles=TITLES))
    shown = StringIO()
    Console(file=shown, width=columns).print(standings_table(report, columns))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    for each in report.standings:
        row = table_row(each)
        assert any(all(figure in line for figure in row[3:]) for line in lines), "figures without a blank stand whole"
        assert any(row[1] in line for line in lines) is in_one_line
