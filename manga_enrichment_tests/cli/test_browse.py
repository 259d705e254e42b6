"""`manga-enrichment browse` says before it starts why nobody could edit so."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from manga_enrichment.cli import main
from manga_enrichment_tests.door import DOOR

ARN = {"MANGA_DOOR_ARN": DOOR.arn}
WHOLE = {**ARN, "MANGA_DOOR_ISSUER": DOOR.issuer, "MANGA_DOOR_CLIENT_ID": DOOR.client_id}


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--edit"], {}, "Whose corrections are they? Say --as NAME"),
        (["--edit", "--as", " "], {}, "--as takes 1 to 100 printable characters"),
        (["--edit", "--as", "Naoko", "--host", "0.0.0.0"], {}, "--edit without a door is for this machine alone"),  # noqa: S104
        (["--edit", "--as", "Naoko", "--allow-host", "t.example.com"], {}, "--edit without a door"),
        (["--as", "Naoko"], {}, "--as names who uses --edit on this machine"),
        (["--edit", "--as", "Naoko"], WHOLE, "--as names who uses --edit on this machine"),
        (["--edit", "--as", "Naoko", "--folder", "."], {}, "leave --folder out"),
        (["--edit"], ARN, "MANGA_DOOR_ISSUER, MANGA_DOOR_CLIENT_ID is missing"),
        ([], ARN, "MANGA_DOOR_ISSUER, MANGA_DOOR_CLIENT_ID is missing"),
    ],
)
def test_it_does_not_start_where_nobody_knows_who_edits(
    words: list[str], environment: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["browse", *words, "--copy-dir", str(tmp_path / "copy")])
    told = done.output + str(done.exception)
    assert done.exit_code != 0
    assert said in told
    assert "http://" not in done.output
    assert not (tmp_path / "copy").exists()
