"""What candidate lists find of labelled relations, and what they cost.

Run: python -m benchmarks retrieval [--labels FILE --catalog FILE] [--rows 20000] [--against CHECKOUT]. Prints recall@20
of each view of the catalog and of each kind of relation, with 95 % intervals, then CPU per title. `--against`: the same
of a checkout of an earlier version, by its own modules, and the paired differences.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from benchmarks.labels import SHIPPED, VIEWS, Lists, families_of, interval, read_labels, read_titles, recalls, seen
from benchmarks.related_titles import Relation, strangers
from benchmarks.report import Row, show
from benchmarks.window import peak_rss_bytes
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.pipeline.candidates.building import MatrixWriter
from manga_enrichment.pipeline.candidates.lists import SHOWN, write_lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE
from manga_enrichment.pipeline.candidates.method import METHOD

ALL_FIELDS = "all fields"


@dataclass(frozen=True, slots=True)
class Found:
    """Lists of the queries, and the CPU that they took."""

    lists: Lists
    build_cpu_s: float
    search_cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=Path, default=SHIPPED / "relations.jsonl", help="JSON lines of relations")
    parser.add_argument("--catalog", type=Path, default=SHIPPED / "titles.jsonl", help="the catalog that labels are of")
    parser.add_argument("--rows", type=int, default=20_000, help="invented titles beside it that are related to none")
    parser.add_argument("--against", type=Path, help="checkout of an earlier version, 0f0178a for example")
    parser.add_argument("--against-python", default=sys.executable, help="the Python that has its dependencies")
    options = parser.parse_args()
    relations = read_labels(options.labels)
    records = read_titles(options.catalog) + list(strange_titles(options.rows))
    rows: list[Row] = []
    costs: list[Row] = []
    for view, shown in VIEWS.items():
        catalog = seen(records, shown)
        ids = frozenset(record.manga_id for record in catalog)
        queries = sorted(recalls({}, relations, ids))
        ours = drawn(catalog, queries)
        theirs = _theirs(catalog, queries, options) if options.against else None
        kinds = sorted({relation.kind for relation in relations}) if view == ALL_FIELDS else []
        by_kind = {kind: [each for each in relations if kind in {"", each.kind}] for kind in ("", *kinds)}
        rows += [_recall_row(view, kind, part, ids, ours, theirs) for kind, part in by_kind.items()]
        costs += [_cost_row(view, name, len(catalog), found) for name, found in (("now", ours), ("then", theirs))]
    show("retrieval", rows)
    show("retrieval cost", [row for row in costs if row])
    print(f"peak memory {peak_rss_bytes() / 1e6:.0f} MB, the catalog in memory included")


def strange_titles(rows: int) -> list[MangaRecord]:
    cleaned = (clean_row(row, number) for number, row in enumerate(strangers(rows), 1))
    return [record for record in cleaned if isinstance(record, MangaRecord)]


def drawn(catalog: Sequence[MangaRecord], queries: Sequence[str]) -> Found:
    """All titles are searched, since that is what a night does."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        with MatrixWriter(Path(folder)) as writer:
            writer.add((record, 0) for record in catalog)
            matrix = writer.finish({})
        built = time.process_time()
        found = write_lists(matrix, METHOD)
        searched = time.process_time()
        rows = found.first(matrix.rows_of(pa.array(queries, pa.string())), SHOWN)
        lists = {
            of: [matrix.manga_id(row) for row in row_numbers if row != NO_TITLE]
            for of, row_numbers in zip(queries, rows.tolist(), strict=True)
        }
    return Found(lists, built - started, 1_000 * (searched - built) / max(1, len(catalog)))


def _theirs(catalog: Sequence[MangaRecord], queries: Sequence[str], options: argparse.Namespace) -> Found:
    """By the other checkout's modules, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("catalog.jsonl", "queries", "result.json")]
        paths[0].write_bytes(b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in catalog))
        paths[1].write_text("\n".join(queries), "utf-8")
        script = Path(__file__).with_name("earlier_retrieval.py")
        environment = {**os.environ, "PYTHONPATH": str(options.against.resolve())}
        subprocess.run([options.against_python, script, *paths], env=environment, check=True)
        result: dict[str, Any] = json.loads(paths[2].read_text("utf-8"))
    return Found(result["lists"], result["build_cpu_s"], result["search_cpu_ms"])


def _recall_row(
    view: str, kind: str, relations: Sequence[Relation], ids: frozenset[str], ours: Found, theirs: Found | None
) -> Row:
    now = recalls(ours.lists, relations, ids)
    family = families_of(relations)
    row: Row = {"view": view, "relations": kind or "all", "queries": len(now), **_mean("recall", now, family)}
    if theirs is not None:
        then = recalls(theirs.lists, relations, ids)
        row |= _mean("then", then, family)
        row |= _mean("difference", {each: now[each] - then[each] for each in now}, family)
    return row


def _mean(name: str, values: dict[str, float], family: dict[str, str]) -> Row:
    low, high = interval(values, family)
    return {name: round(sum(values.values()) / len(values), 3), f"{name}_95": f"{low:.3f} to {high:.3f}"}


def _cost_row(view: str, name: str, titles: int, found: Found | None) -> Row:
    if found is None:
        return {}
    return {
        "view": view,
        "method": name,
        "titles": titles,
        "build_cpu_s": round(found.build_cpu_s, 1),
        "search_cpu_ms": round(found.search_cpu_ms, 2),
        "lists": len(found.lists),
        "list_mean": round(sum(map(len, found.lists.values())) / max(1, len(found.lists)), 1),
    }


if __name__ == "__main__":
    main()
