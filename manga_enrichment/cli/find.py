"""`manga-enrichment find`: titles of the catalog, asked for in people's words."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from manga_enrichment.cli.parameters import open_configured_gateways

if TYPE_CHECKING:
    from manga_enrichment.pipeline.candidates.asking import Asking


@click.command()
@click.argument("question")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="At most so many titles.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of a table.")
def find(question: str, limit: int, as_json: bool) -> None:
    """Find titles by what one remembers of them.

    QUESTION is a title or a part of it, misspelt or by its reading (kana, romaji), an author, genres in English or
    Japanese, or "like X but for children". Asks no model and costs nothing.
    """
    from rich.console import Console
    from rich.table import Table

    found = open_asking().find(question, limit)
    if as_json:
        print(json.dumps([asdict(each) for each in found], ensure_ascii=False))
        return
    table = Table(title=None if found else "nothing found")
    for heading in ("manga_id", "title", "score", "found by"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "score" else "left")
    for each in found:
        table.add_row(each.manga_id, each.title, f"{each.score:.3f}", "; ".join(each.reasons))
    Console().print(table)


def open_asking() -> "Asking":
    """The shared index of the catalog as it was last searched. Raises ConfigurationError without a sound one."""
    from manga_enrichment.domain.errors import ConfigurationError
    from manga_enrichment.pipeline.candidates.asking import Asking
    from manga_enrichment.pipeline.candidates.matrix import DamagedIndexError
    from manga_enrichment.pipeline.candidates.shared import SharedIndex

    gateways = open_configured_gateways()
    shared = SharedIndex(gateways.tables, (), gateways.clock, holder="", full_after=0, say=lambda _line: None)
    try:
        lists = shared.latest()
    except DamagedIndexError as error:
        raise ConfigurationError(f"{error}: materialize similar_candidates again") from error
    if lists is None:
        raise ConfigurationError("There is no candidate index yet: materialize similar_candidates first")
    return Asking(lists)
