"""The tables as they stand, in a folder that any reader of Parquet takes whole.

Belongs here: following what the emulator writes and deletes. Stays out: where the folder is (`state_folder.py`).

The emulator keeps a file of metadata beside each object, and an object that was deleted stays where it was: readers of
a whole folder stumble over the one and read the other. So each current object of a table has a second name in this
folder, a hard link. The emulator (ministack 1.5) has no hook for that: `install_table_folder` puts itself behind three
of its functions.
"""

import inspect
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services import s3

from manga_enrichment.local.stack.workflows import UnknownEmulatorError
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT

_PREFIX = f"{TABLES_ROOT}/"
_FOLLOWED = {
    "_persist_object": ("bucket", "key", "obj"),
    "_persist_delete_marker": ("bucket_name", "key", "marker"),
    "_delete_persisted_object": ("bucket_name", "key"),
}
_USED = ("_object_disk_path", "_buckets")


class TableFolder:
    """Second names of objects below `enrichment/`, without that part. Other keys are left alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def show(self, key: str, file: Path) -> None:
        place = self._place(key)
        if place is None or not file.is_file():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.new")
        beside.unlink(missing_ok=True)
        os.link(file, beside)
        beside.replace(place)

    def hide(self, key: str) -> None:
        place = self._place(key)
        if place is not None:
            place.unlink(missing_ok=True)

    def _place(self, key: str) -> Path | None:
        place = Path(os.path.normpath(self._folder / key.removeprefix(_PREFIX)))
        is_within = key.startswith(_PREFIX) and place.is_relative_to(self._folder) and place != self._folder
        return place if is_within and key.endswith(".parquet") else None


def check_objects(module: Any) -> None:
    """Whether ministack's S3 has what is followed here. Raises UnknownEmulatorError."""
    for name, parameters in _FOLLOWED.items():
        present = getattr(module, name, None)
        if present is None or tuple(inspect.signature(present).parameters) != parameters:
            raise UnknownEmulatorError(f"ministack has another {name}: install the version in constraints.txt")
    if missing := [name for name in _USED if not hasattr(module, name)]:
        raise UnknownEmulatorError(f"ministack lacks {', '.join(missing)}: install the version in constraints.txt")


def install_table_folder(folder: Path) -> None:
    """Make the folder anew from what the emulator has loaded, and follow it. Raises UnknownEmulatorError."""
    check_objects(s3)
    shutil.rmtree(folder, ignore_errors=True)
    shown = TableFolder(folder.absolute())
    for (account, bucket), content in s3._buckets._data.items():
        for key in content["objects"]:
            shown.show(key, Path(s3._object_disk_path(bucket, key, account)))

    def put(bucket: str, key: str) -> None:
        shown.show(key, Path(s3._object_disk_path(bucket, key)))

    def gone(_bucket: str, key: str) -> None:
        shown.hide(key)

    for name, after in (("_persist_object", put), ("_persist_delete_marker", gone), ("_delete_persisted_object", gone)):
        setattr(s3, name, _then(getattr(s3, name), after))


def _then(original: Callable[..., Any], after: Callable[[str, str], None]) -> Callable[..., Any]:
    def both(bucket: str, key: str, *more: Any) -> Any:
        found = original(bucket, key, *more)
        after(bucket, key)
        return found

    return both
