"""`manga-enrichment catalog`: a file is tried, nothing is written."""

import json
from pathlib import Path

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.domain.catalog.mapping_schema import mapping_schema
from manga_enrichment.pipeline.store.object_keys import catalog_state_key
from manga_enrichment_tests.builders import catalog_row, write_source
from manga_enrichment_tests.cli.conftest import Command

KITSU = Path(__file__).parents[1] / "pipeline" / "catalog" / "preset_shapes" / "kitsu.json"


def test_a_file_is_shown_as_it_would_come_out(command: Command, tmp_path: Path) -> None:
    rows = [catalog_row(number, title=f"Harbor {number}", isbn13="1") for number in range(3)]
    path = write_source(tmp_path / "c.jsonl", [*rows, {"title": "\x1b[31mno id"}])
    result = command("catalog", "inspect", path)
    assert result.exit_code == 0
    assert "mapping guessed: our own names" in result.output
    assert "4 rows: 3 titles, 1 rejects" in result.output
    assert "Harbor 0" in result.output
    assert "invalid 3" in result.output
    assert "\x1b[31m" not in result.output
    found = json.loads(command("catalog", "inspect", path, "--json", "--rows", 2).output)
    assert (found["titles"], found["filled"]["isbn13"], found["mapping"]) == (2, 0, {})


def test_a_known_source_is_named_and_can_be_named(command: Command) -> None:
    found = json.loads(command("catalog", "inspect", KITSU, "--json").output)
    assert found["said"] == ["mapping guessed: the preset kitsu: set MANGA_CATALOG_PRESET=kitsu"]
    assert json.loads(command("catalog", "inspect", KITSU, "--preset", "kitsu", "--json").output)["titles"] == 1
    wrong = command("catalog", "inspect", KITSU, "--preset", "none")
    assert wrong.exit_code == 1
    assert "MANGA_CATALOG_PRESET=none is not one of anilist, " in wrong.output


def test_a_mapping_that_was_guessed_is_printed_and_can_be_used(command: Command, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("id,name,plot\n1,Harbor,A ship.\n")
    shown = command("catalog", "inspect", tmp_path / "shop.csv").output
    (tmp_path / "m.json").write_text(shown[shown.index("\n{") :])
    found = json.loads(
        command("catalog", "inspect", tmp_path / "shop.csv", "--mapping", tmp_path / "m.json", "--json").output
    )
    assert (found["rows"][0]["title"], found["rows"][0]["synopsis"]) == ("Harbor", "A ship.")


def test_the_schema_is_printed(command: Command) -> None:
    assert json.loads(command("catalog", "schema").output) == mapping_schema()


def test_a_check_says_whether_the_next_run_would_refuse(
    command: Command, gateways: Gateways, fresh_stack_state: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_source(tmp_path / "c.jsonl", [catalog_row(number) for number in range(20)])
    monkeypatch.setenv("MANGA_CATALOG_URI", str(path))
    fine = command("catalog", "check")
    assert (fine.exit_code, "20 rows: 20 titles, 0 rejects" in fine.output) == (0, True)
    assert gateways.tables.read_json(catalog_state_key()) is None

    write_source(path, [*(catalog_row(number) for number in range(20)), *({"id": 1} for _ in range(30))])
    refused = command("catalog", "check")
    assert refused.exit_code == 1
    assert "30 of its 50 rows are no titles (missing_manga_id 30)" in refused.output
