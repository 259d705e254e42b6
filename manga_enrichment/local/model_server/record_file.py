"""The meter in a file, so that a bill survives the server.

Belongs here: loading and saving. Stays out: when to save (`app.py`).
PATH holds the counters as JSON and is replaced whole. PATH.prompts holds 8 bytes per billed prompt and only
grows between resets: writing hundreds of thousands of them again every second would stall the server.
No fsync: the file outlives the process, not a power cut.
"""

import os
from pathlib import Path

import orjson

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.local.model_server.meter import DIGEST_BYTES, Meter


class RecordFile:
    """Keeps one meter in one pair of files."""

    def __init__(self, path: Path, meter: Meter) -> None:
        """Load what is there into `meter`. Raises ConfigurationError when the file cannot be read as a record."""
        self._path = path
        self._prompts_path = path.with_name(path.name + ".prompts")
        self._meter = meter
        meter.keeps_new_prompts = True
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._load()
        else:
            self._prompts_path.unlink(missing_ok=True)
        self._saved_changes = meter.changes
        self._saved_prompts = len(meter.billed_prompts)

    def save(self) -> None:
        """Write what changed since the last save; nothing when nothing did."""
        meter = self._meter
        if meter.changes == self._saved_changes:
            return
        self._save_prompts(meter)
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_bytes(orjson.dumps(meter.snapshot(), option=orjson.OPT_INDENT_2))
        os.replace(draft, self._path)  # noqa: PTH105 - named for what it is: atomic
        self._saved_changes = meter.changes

    def _save_prompts(self, meter: Meter) -> None:
        was_reset = len(meter.billed_prompts) < self._saved_prompts + len(meter.new_prompts) // DIGEST_BYTES
        with self._prompts_path.open("wb" if was_reset else "ab") as file:
            file.write(meter.new_prompts)
        meter.new_prompts.clear()
        self._saved_prompts = len(meter.billed_prompts)

    def _load(self) -> None:
        try:
            counters = orjson.loads(self._path.read_bytes())
            self._meter.restore(counters, _digests(self._prompts_path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"--record-file {self._path} is not a record of this server ({error!r}): "
                "name another file or delete it."
            ) from error


def _digests(path: Path) -> list[bytes]:
    """The whole digests of the file; a part of one that a killed process left at the end is cut off."""
    raw = path.read_bytes() if path.exists() else b""
    whole = len(raw) - len(raw) % DIGEST_BYTES
    if whole < len(raw):
        path.write_bytes(raw[:whole])
    return [raw[start : start + DIGEST_BYTES] for start in range(0, whole, DIGEST_BYTES)]
