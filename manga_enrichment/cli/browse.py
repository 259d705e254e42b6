"""`manga-enrichment browse`: titles and their answers as pages on this machine."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from manga_enrichment.cli.parameters import configured_analyses

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.routing import Route

    from manga_enrichment.browse.app import Browse
    from manga_enrichment.browse.edit.identity import Identify
    from manga_enrichment.browse.pages import Question
    from manga_enrichment.browse.search import Find
    from manga_enrichment.browse.shelf import Shelf
    from manga_enrichment.gateways.clock import Clock
    from manga_enrichment.gateways.table_files import TableFiles
    from manga_enrichment.pipeline.candidates.asking import Asking

_FOUND_IN_WORDS = 100
INDEX_SECONDS = 600
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no login of its own."
)
@click.option("--port", type=click.IntRange(0, 65535), default=3001, show_default=True, help="0 for any free one.")
@click.option("--allow-host", "names", multiple=True, help="Another name by which people reach it, such as a proxy's.")
@click.option("--folder", type=click.Path(path_type=Path), help="Tables on this disk instead of the bucket's.")
@click.option(
    "--copy-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path.home() / ".cache" / "manga-enrichment" / "browse",
    show_default="~/.cache/manga-enrichment/browse",
    help="Where the copy of the tables is kept.",
)
@click.option("--edit", "is_editable", is_flag=True, help="Answers can be corrected; without it nothing is written.")
@click.option("--as", "local_name", default="", help="Whose corrections they are, where no door says who somebody is.")
def browse(
    *,
    host: str,
    port: int,
    names: tuple[str, ...],
    folder: Path | None,
    copy_dir: Path,
    is_editable: bool,
    local_name: str,
) -> None:
    """Look at titles, their answers and the tables in a browser. Read-only without --edit; asks no model."""
    try:
        from manga_enrichment.browse.server import renewing, serve
    except ImportError as error:
        raise click.ClickException(f"{error}: install the extra, pip install 'manga-enrichment[browse]'") from error
    from manga_enrichment.browse.app import build_app

    if is_editable and folder is not None:
        raise click.ClickException("--edit keeps corrections in the bucket: leave --folder out")
    identify = _identify(host, names, local_name, is_editable=is_editable)
    shelf, found = _opened(folder, copy_dir, is_editable=is_editable)
    edits = _edits(found) if is_editable else ()
    app = build_app(found, (*LOOPBACK, host, *names), renewing(shelf, found), identify=identify, edits=edits)
    click.echo(f"Copied to {shelf.home}. Stop with Ctrl-C.")
    serve(app, host=host, port=port, say=click.echo)


def _opened(folder: Path | None, copy_dir: Path, *, is_editable: bool) -> "tuple[Shelf, Browse]":
    """The tables, and pages over them."""
    from manga_enrichment.browse.app import Browse
    from manga_enrichment.browse.index_worker import built_apart
    from manga_enrichment.browse.links import Links
    from manga_enrichment.browse.local_copy import LocalCopy
    from manga_enrichment.browse.pages import Pages
    from manga_enrichment.browse.shelf import Shelf
    from manga_enrichment.browse.sql_box import Bounds, SqlBox
    from manga_enrichment.cli.find import open_asking
    from manga_enrichment.pipeline.publish.tables import published_tables
    from manga_enrichment.runtime.clock import SystemClock
    from manga_enrichment.settings import load_settings

    analyses = list(configured_analyses().of_titles.values())
    published = published_tables(analyses)
    (files, name), clock = _files(folder), SystemClock()
    click.echo(f"Tables of {name}.")
    home = copy_dir / hashlib.sha256(name.encode()).hexdigest()[:12]
    shelf = Shelf(LocalCopy(files, published, home), published, analyses, clock, built_apart)
    pages = Pages(Links(load_settings().dagster_url.rstrip("/")), is_editable=is_editable)
    find = None if folder else find_in_words(open_asking, clock)
    return shelf, Browse(shelf, SqlBox(published, home, Bounds()), pages, _questions(), find)


def _identify(host: str, names: tuple[str, ...], local_name: str, *, is_editable: bool) -> "Identify | None":
    """Who asks; None where anybody may who reaches the port. Raises ConfigurationError."""
    from manga_enrichment.browse.edit.identity import local_user
    from manga_enrichment.settings import door_of, load_settings

    door = door_of(load_settings())
    if local_name and (door or not is_editable):
        raise click.ClickException("--as names who uses --edit on this machine, where no door (MANGA_DOOR_ARN) does")
    if door is None:
        return local_user(local_name, host, names) if is_editable else None
    from manga_enrichment.aws.outbound.door_keys import DoorKeys

    try:
        from manga_enrichment.browse.edit.door import through
    except ImportError as error:
        raise click.ClickException(f"{error}: install the extra, pip install 'manga-enrichment[browse]'") from error
    from manga_enrichment.browse.edit.known_keys import KnownKeys
    from manga_enrichment.runtime.clock import SystemClock

    clock = SystemClock()
    return through(door, KnownKeys(DoorKeys(door.keys_url, clock).fetch, clock), clock)


def _edits(browse: "Browse") -> "list[Route]":
    """Addresses that change something."""
    import secrets

    from manga_enrichment.browse.edit.genuine import Genuine
    from manga_enrichment.browse.edit.routes import Edits
    from manga_enrichment.cli.parameters import open_configured_gateways
    from manga_enrichment.pipeline.catalog.reader import check_bucket_count
    from manga_enrichment.pipeline.editing.editing import Editing
    from manga_enrichment.settings import load_settings

    gateways, buckets = open_configured_gateways(), load_settings().catalog_buckets
    check_bucket_count(gateways.tables, buckets)
    analyses = configured_analyses().of_titles
    editing = Editing(gateways.tables, analyses, buckets, gateways.clock)
    return Edits(browse, gateways.tables, editing, analyses, Genuine(secrets.token_bytes(32), gateways.clock)).routes


def _files(folder: Path | None) -> "tuple[TableFiles, str]":
    """And what they are called."""
    from manga_enrichment.aws.clients import AwsClients
    from manga_enrichment.aws.s3.table_files import FolderTableFiles, S3TableFiles
    from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT
    from manga_enrichment.settings import load_settings

    if folder is not None:
        return FolderTableFiles(folder), str(folder.resolve())
    bucket = load_settings().bucket
    client = AwsClients().s3
    return S3TableFiles(client, bucket=bucket, prefix=TABLES_ROOT), f"{client.meta.endpoint_url}/{bucket}"


def _questions() -> "list[Question]":
    from manga_enrichment.analysts.questions import questions
    from manga_enrichment.browse.pages import Question

    return [
        Question(each.path.stem, each.title, each.text, {name: str(told) for name, told in each.parameters.items()})
        for each in questions()
    ]


def find_in_words(open_asking: "Callable[[], Asking]", clock: "Clock") -> "Find":
    """Asks the candidate index, which is opened when it is first asked, and anew for who asks a while later: each night
    leaves another."""
    from functools import lru_cache

    from manga_enrichment.browse.search import BadQueryError
    from manga_enrichment.domain.errors import ConfigurationError
    from manga_enrichment.gateways.errors import StoreUnavailableError

    @lru_cache(maxsize=1)  # keeps no failure
    def opened(_period: int) -> "Asking":
        return open_asking()

    def find(words: str) -> list[tuple[str, tuple[str, ...]]]:
        try:
            asking = opened(int(clock.monotonic_seconds() // INDEX_SECONDS))
            return [(each.manga_id, each.reasons) for each in asking.find(words, _FOUND_IN_WORDS)]
        except (ConfigurationError, StoreUnavailableError) as error:
            raise BadQueryError(str(error)) from error

    return find
