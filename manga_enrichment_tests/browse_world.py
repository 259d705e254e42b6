"""Tables of a small, eventful run on this disk, and the pages over them.

Belongs here: what tests of several modules of `manga_enrichment/browse/` stand on. Stays out: what they prove.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from manga_enrichment.aws.s3.table_files import FolderTableFiles
from manga_enrichment.browse.app import Browse, build_app
from manga_enrichment.browse.edit.genuine import Genuine
from manga_enrichment.browse.edit.identity import Identify
from manga_enrichment.browse.edit.routes import Edits
from manga_enrichment.browse.links import Links
from manga_enrichment.browse.local_copy import Copy, LocalCopy
from manga_enrichment.browse.pages import Pages, Question
from manga_enrichment.browse.search import Find
from manga_enrichment.browse.shelf import Shelf, State
from manga_enrichment.browse.sql_box import Bounds, SqlBox
from manga_enrichment.browse.tables import view_statements
from manga_enrichment.browse.title_index import build_index
from manga_enrichment.domain.catalog.records import Author
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.publish.tables import PublishedTable, published_tables
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, World, bare_record, put_catalog, record, title_id
from manga_enrichment_tests.fakes import START, FakeClock, MemoryTables, ScriptedModel

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
JAPANESE = "カタツムリの午後"
NAMES = [name for name, analysis in ANALYSES.items() if not analysis.parts]
PUBLISHED: list[PublishedTable] = published_tables(list(ANALYSES.values()))
FORM = "application/x-www-form-urlencoded"
DAGSTER = "http://dagster.test"


def eventful_world() -> World:
    """One title with everything; one refused; one throttled first; one hostile; one that nothing can be asked of."""
    world = World()
    authors = (Author("Naoko Étranger", "story"), Author("佐藤 花", "art"))
    put_catalog(
        world.tables,
        [
            record(1, title_ja=JAPANESE, title_kana="かたつむりのごご", authors=authors, magazines=("Monthly Tide",)),
            record(2),
            record(3, demographics=("shounen",)),
            record(4, title=HOSTILE, synonyms=(HOSTILE,), synopsis=f"{HOSTILE} {record(4).synopsis}"),
            bare_record(5),
        ],
    )
    script = {title_id(2): [ErrorClass.REFUSAL], title_id(3): [ErrorClass.THROTTLED, None]}
    world.model = ScriptedModel(world.clock, script)
    world.run()
    write_enriched(world.tables, BUCKET, list(ANALYSES.values()), Origin("run-1", START))
    return world


def put_on_disk(tables: MemoryTables, folder: Path) -> Path:
    """The folder that holds the folders of the tables."""
    for key, body in tables.objects.items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    return folder / "enrichment"


def add_views(connection: duckdb.DuckDBPyConnection, copy: Copy) -> None:
    """All published tables over a copy."""
    for statement in view_statements(PUBLISHED, copy):
        connection.execute(statement)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page answered. headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Site:
    """Pages over a folder of tables, asked without a socket."""

    def __init__(
        self,
        folder: Path,
        home: Path,
        *,
        find: Find | None = None,
        questions: Sequence[Question] = (),
        bounds: Bounds | None = None,
        clock: FakeClock | None = None,
        identify: Identify | None = None,
        tables: MemoryTables | None = None,
    ) -> None:
        """tables: where answers are corrected; None: they are not."""
        self.clock = clock or FakeClock()
        local = LocalCopy(FolderTableFiles(folder), PUBLISHED, home)
        self.shelf = Shelf(local, PUBLISHED, list(ANALYSES.values()), self.clock, build_index)
        self.box = SqlBox(PUBLISHED, home, bounds or Bounds())
        pages = Pages(Links(DAGSTER), is_editable=tables is not None)
        self.browse = Browse(self.shelf, self.box, pages, questions, find)
        self.genuine = Genuine(b"s" * 32, self.clock)
        edits = [] if tables is None else self._edits(tables)
        self.app = build_app(self.browse, ["localhost"], identify=identify, edits=edits)

    @property
    def state(self) -> State:
        assert self.shelf.state is not None
        return self.shelf.state

    def get(
        self, url: str, *, host: str = "localhost", method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer:
        return asyncio.run(_asked(self.app, url, method, {"host": host, **(headers or {})}))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A form, as a browser sends it from a page of this site, but for `headers`; one that is "" is not sent."""
        sent = {"host": "localhost", "origin": "http://localhost", "content-type": FORM, **headers}
        return asyncio.run(_asked(self.app, url, "POST", {name: text for name, text in sent.items() if text}, body))

    def _edits(self, tables: MemoryTables) -> list[Route]:
        analyses = {name: ANALYSES[name] for name in NAMES}
        editing = Editing(tables, analyses, 1, self.clock)
        return Edits(self.browse, tables, editing, analyses, self.genuine).routes


def never(_words: str) -> list[tuple[str, tuple[str, ...]]]:
    raise AssertionError("the candidate index was asked")


def found(*manga_ids: str) -> Callable[[str], list[tuple[str, tuple[str, ...]]]]:
    return lambda words: [(each, (f"for {words}",)) for each in manga_ids]


async def _asked(app: ASGIApp, url: str, method: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    parts = urlsplit(url)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "root_path": "",
        "query_string": parts.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("localhost", 80),
    }
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    await app(scope, receive, send)
    answered = {name.decode(): value.decode() for name, value in told[0]["headers"]}
    return Answer(told[0]["status"], answered, b"".join(each.get("body", b"") for each in told[1:]))
