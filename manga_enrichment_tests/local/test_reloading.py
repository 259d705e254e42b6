"""Which edits count, and what is said of a reload."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manga_enrichment.local.reloading import Edits, fault_at_start, reload


def test_new_changed_and_removed_sources_are_edits_and_each_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    kept, gone = tmp_path / "kept.py", tmp_path / "deep" / "gone.toml"
    for path in (kept, gone, tmp_path / "notes.md"):
        path.write_text("a")
    edits = Edits([tmp_path])
    assert edits.newest() == []
    new = tmp_path / "deep" / "new.py"
    new.write_text("b")
    gone.unlink()
    os.utime(kept, (1, 1))
    (tmp_path / "notes.md").write_text("changed")
    assert edits.newest() == sorted([kept, gone, new])
    assert edits.newest() == []


def answer(loaded: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"data": {"reloadRepositoryLocation": loaded}}


def test_what_loads_is_said(tmp_path: Path) -> None:
    asked = []

    def post(document: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(document["variables"])
        return answer({"locationOrLoadError": {"__typename": "RepositoryLocation"}})

    assert reload(post, "here", [tmp_path]) == "The definitions are loaded anew."
    assert asked == [{"location": "here"}]


def test_a_fault_is_told_by_our_own_last_line_and_the_cause_in_its_words(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "jobs.py", "/usr/lib/python/importlib.py"
    cause = {"message": "NameError: name 'dgg' is not defined\n", "stack": [f'  File "{ours}", line 7, in <module>\n']}
    fault = {
        "__typename": "PythonError",
        "message": "DagsterUserCodeLoadError: failed\n",
        "stack": [f'  File "{theirs}", line 9, in load\n'],
        "errorChain": [{"error": cause}],
    }
    said = reload(lambda _document: answer({"locationOrLoadError": fault}), "here", [tmp_path])
    assert said.endswith(f"{ours}:7: NameError: name 'dgg' is not defined")


def test_a_fault_at_the_start_is_told_and_without_one_nothing_is(tmp_path: Path) -> None:
    fault = {"message": "SyntaxError: invalid syntax", "stack": [f'  File "{tmp_path}/a.py", line 2\n']}
    entries = [{"locationOrLoadError": {"__typename": "PythonError", **fault}}, {"locationOrLoadError": {}}]
    said = [fault_at_start(lambda _document, e=e: {"data": {"entry": e}}, "here", [tmp_path]) for e in entries]  # type: ignore[misc]
    assert said[0].endswith(f"{tmp_path}/a.py:2: SyntaxError: invalid syntax")
    assert said[1] == ""


def test_a_webserver_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    def refused(_document: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ConnectionRefusedError("refused")

    assert "could not be loaded anew: refused" in reload(refused, "here", [tmp_path])
    assert "could not be loaded anew" in reload(lambda _document: {"errors": ["x"]}, "here", [tmp_path])
