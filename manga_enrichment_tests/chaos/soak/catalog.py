"""A catalog that changes from night to night, so that there always is something to ask.

Belongs here: its editions. Stays out: importing them.
"""

import json
from pathlib import Path

from manga_enrichment.local.sample_catalog import write_catalog

TITLES = 120
CHANGED = 24
"""Titles of an edition whose synopsis nobody has seen before."""


class ChangingCatalog:
    """As many titles in each edition, so that no run's memory has a reason to grow."""

    def __init__(self, file: Path) -> None:
        self.file = file
        write_catalog(file, TITLES, seed=7)
        self._rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        self._synopses = [row.get("synopsis") or "" for row in self._rows]
        self.edition = 0

    def change(self) -> None:
        """The next edition, in place of the one before at once."""
        self.edition += 1
        for number in range(CHANGED):
            place = (self.edition * CHANGED + number) % len(self._rows)
            if self._synopses[place]:
                self._rows[place]["synopsis"] = f"{self._synopses[place]} (Edition {self.edition}.)"
        later = self.file.with_suffix(".new")
        later.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows), "utf-8")
        later.replace(self.file)
