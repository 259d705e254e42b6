"""The notebook of the docs runs as it is, and what it shows is so."""

import runpy
from pathlib import Path

import pytest

from manga_enrichment_tests.analysts.eventful_world import DAY, eventful_world, put_on_disk

NOTEBOOK = Path(__file__).parents[2] / "docs" / "analysts_notebook.py"


def test_each_cell_has_something_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TABLES", str(put_on_disk(eventful_world().tables, tmp_path)))
    told = runpy.run_path(str(NOTEBOOK))
    assert "5 titles, 40% with a genre" in capsys.readouterr().out
    assert told["levels"].loc["drama", "teen"] == 2
    assert set(told["genres"]["genre"]) == {"drama", "slice_of_life"}
    assert {str(day.date()) for day, _analysis in told["cost"].index} == {DAY}
    assert told["cost"].sum() > 0
    assert not told["missing"].empty
