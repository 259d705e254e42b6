"""The tables on disk are the objects as they stand: written, replaced, deleted, and after a start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from manga_enrichment.local.stack.table_folder import TableFolder, check_objects
from manga_enrichment.local.stack.workflows import UnknownEmulatorError

PROGRAM = """
import json, sys
from pathlib import Path
from ministack.services import s3
from manga_enrichment.local.stack.table_folder import install_table_folder

install_table_folder(Path(sys.argv[1]))
for what, key, body in json.loads(sys.argv[2]):
    objects = s3._buckets.setdefault("results", {"objects": {}})["objects"]
    if what == "put":
        objects[key] = {"body": body.encode()}
        s3._persist_object("results", key, objects[key])
    elif what == "mark":
        objects.pop(key)
        s3._persist_delete_marker("results", key, {"version_id": "v", "is_delete_marker": True})
    else:
        objects.pop(key)
        s3._delete_persisted_object("results", key)
"""
ONE, TWO, THREE = (f"enrichment/catalog/bucket={number}/part.parquet" for number in range(3))


def emulator(folder: Path, *steps: tuple[str, str, str]) -> dict[str, str]:
    """What the folder has after a process of the emulator has done this: relative path -> content."""
    settings = {"S3_PERSIST": "1", "S3_DATA_DIR": str(folder / "s3")}
    command = [sys.executable, "-c", PROGRAM, str(folder / "tables"), json.dumps(steps)]
    subprocess.run(command, env={**os.environ, **settings}, check=True, timeout=120)
    return {
        str(path.relative_to(folder / "tables")): path.read_text()
        for path in (folder / "tables").rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_the_folder_has_what_is_current_and_nothing_else(tmp_path: Path) -> None:
    first = emulator(
        tmp_path,
        ("put", ONE, "one"),
        ("put", TWO, "two"),
        ("put", THREE, "three"),
        ("put", ONE, "one again"),
        ("mark", TWO, ""),
        ("delete", THREE, ""),
        ("put", "enrichment/catalog/_state.json", "{}"),
        ("put", "runs/x/part.parquet", "a working file"),
    )
    assert first == {"catalog/bucket=0/part.parquet": "one again"}
    beside = {path.name for path in (tmp_path / "s3").rglob("*") if path.is_file()}
    assert "part.parquet.meta.json" in beside, "else there is nothing to keep apart"
    (tmp_path / "tables" / "left_over.parquet").write_text("of another time")
    assert emulator(tmp_path) == first, "made anew from what was kept"


def test_a_key_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    folder = TableFolder(tmp_path / "tables")
    for key in ("enrichment/../../gone.parquet", "enrichment/", "enrichment/.", "other/a.parquet"):
        folder.show(key, file)
        folder.hide(key)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file"]


def test_another_emulator_is_refused() -> None:
    with pytest.raises(UnknownEmulatorError, match="has another _persist_object"):
        check_objects(SimpleNamespace(_persist_object=print))
