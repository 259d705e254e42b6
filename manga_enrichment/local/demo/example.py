"""One title with its answers, so that a demo shows what all the counting is about.

Belongs here: choosing and showing it. Stays out: counting (`account.py`).
"""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from manga_enrichment.domain.text.shown import escaped
from manga_enrichment.gateways.objects import TableReader
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.pipeline.store.object_keys import table_key

_SHOWN = ("primary_genre", "reading_level", "summary_en", "summary_ja", "similar_titles")


def example(tables: TableReader, buckets: Iterable[str]) -> dict[str, Any]:
    """The first title to which most was answered, with names of those it is like; empty where there is none."""
    rows: list[dict[str, Any]] = []
    for bucket in buckets:
        stored = tables.read(table_key(ENRICHED_TABLE, bucket), ["manga_id", "title", *_SHOWN])
        rows += stored.table.to_pylist() if stored else []
    if not rows:
        return {}
    chosen = min(rows, key=lambda row: (-sum(bool(row[name]) for name in _SHOWN), row["manga_id"]))
    names = {row["manga_id"]: row["title"] for row in rows}
    similar = [
        {"title": names.get(each["manga_id"], each["manga_id"]), **each} for each in chosen["similar_titles"] or ()
    ]
    return {**chosen, "similar_titles": similar[:1]}


def show_example(console: Console, chosen: dict[str, Any]) -> None:
    if not chosen:
        return
    block = Table.grid(padding=(0, 2))
    block.add_column(no_wrap=True)
    block.add_column()
    for name in _SHOWN[:-1]:
        block.add_row(name, _text(chosen[name]) if chosen[name] else "(no answer)")
    for each in chosen["similar_titles"]:
        block.add_row("similar to", f"{_text(each['title'])}: {_text(each['reason'])}")
    console.print(f"\nOne of them, {chosen['manga_id']} {_text(chosen['title'])}:")
    console.print(block)
    console.print()


def _text(value: Any) -> str:
    """What a model wrote is text, not markup and nothing that a terminal obeys."""
    return escape(escaped(str(value)))
