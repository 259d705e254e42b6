"""Pages that people edit, each known by a token of the door, and what their browsers send.

Belongs here: what tests of several modules of `manga_enrichment/browse/edit/` stand on. Stays out: what they prove.
"""

import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from manga_enrichment.browse.edit.door import HEADER, through
from manga_enrichment.browse.edit.known_keys import KnownKeys
from manga_enrichment.gateways.objects import Rows
from manga_enrichment_tests.browse_world import Answer, Site
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.door import DOOR, EDITOR, KEY_ID, public_pem, token
from manga_enrichment_tests.fakes import FakeClock, MemoryTables

TITLE = f"/titles/{title_id(1)}"
LEVEL = {"analysis": "reading_level", "field": "reading_level"}


class RacedTables(MemoryTables):
    """Once, somebody else is between a reader and its write."""

    def __init__(self) -> None:
        super().__init__()
        self.before_write: Callable[[], object] | None = None

    def write(self, key: str, table: Rows, *, expected_etag: str | None = None, new: bool = False) -> str:
        between, self.before_write = self.before_write, None
        if between is not None:
            between()
        return super().write(key, table, expected_etag=expected_etag, new=new)


class Desk:
    """A site that can be edited, and what an editor's browser sends."""

    def __init__(self, tables: MemoryTables, folder: Path, home: Path) -> None:
        self.clock, self.tables = FakeClock(), RacedTables()
        self.tables.objects.update(tables.objects)
        keys = KnownKeys({KEY_ID: public_pem()}.get, self.clock)
        identify = through(DOOR, keys, self.clock)
        self.site = Site(folder, home, clock=self.clock, identify=identify, tables=self.tables)
        self.site.shelf.refresh()

    def token(self, who: str = EDITOR) -> str:
        end = int(self.clock.now().timestamp()) + 120
        return token({"email": who, "exp": end}, exp=end)

    def get(self, url: str, who: str = EDITOR) -> Answer:
        return self.site.get(url, headers={HEADER: self.token(who)})

    def send(
        self,
        change: str,
        fields: Mapping[str, str | list[str]],
        *,
        who: str = EDITOR,
        title: str = TITLE,
        **headers: str,
    ) -> Answer:
        """change: correct or take-back. Fields that are not said are those of a genuine form about the level."""
        said = {"sign": self.site.genuine.sign(who), **LEVEL, "because": "The cover says 16+.", **fields}
        sent = {HEADER: self.token(who), **{name.replace("_", "-"): text for name, text in headers.items()}}
        return self.site.post(f"{title}/{change}", urlencode(said, doseq=True).encode(), sent)

    def labels(self) -> list[str]:
        """Objects of the store of labels."""
        return [key for key in self.tables.objects if key.startswith("labels/")]


def text_of(page: str) -> str:
    """What is read on a page, without markup."""
    words = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))
    return re.sub(r" ([.,:;])", r"\1", words)
