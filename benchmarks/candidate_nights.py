"""CPU, memory and disk of candidate lists: a full build, nights in which one title in a hundred changed, fetching.

Run: python -m benchmarks.candidate_nights --rows 20000 --nights 10. The catalog is a generated sample, and the titles
of the shipped labels. Each night is worked at twice: by what changed, and by building anew. Afterwards: how alike the
lists are, how many lists that were paid for the rule replaced in either way, what that costs, and what they find.
`--against CHECKOUT`: a full build and the first night by 0f0178a, whose eight buckets `--buckets` must then be.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from functools import cache
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.folder_store import FolderStore, measured_apart
from benchmarks.labels import SHIPPED, read_labels, read_titles, recalls
from benchmarks.report import Row, show
from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.catalog.records import MangaRecord, bucket_keys
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.prompts.candidates import replaces
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.local.sample_catalog import generate
from manga_enrichment.pipeline.candidates.lists import SHOWN, Lists, write_lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD
from manga_enrichment.pipeline.candidates.pairs import SCORE_STEPS, Search
from manga_enrichment.pipeline.candidates.refresh import refresh_candidates
from manga_enrichment.pipeline.candidates.shared import SharedIndex
from manga_enrichment.pipeline.candidates.tables import read_candidates
from manga_enrichment.pipeline.candidates.terms import Numbers
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA, batch_of, record_row, records_from_table
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.runtime.clock import SystemClock

CHANGES, ANEW = "what changed", "anew"
PRICED = 500


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        rows: list[Row] = []
        for row in _rows(folder, options):
            print(json.dumps(row), file=sys.stderr)  # a million titles take an hour
            rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    show(f"candidate lists, {options.rows} titles", [{name: row.get(name) for name in names} for row in rows])


def _rows(folder: Path, options: argparse.Namespace) -> Iterator[Row]:
    for night in range(options.nights + 1):
        measured_apart(_write_catalog, folder / "catalog", options.rows, night, options.buckets)
        for way in (CHANGES,) if options.changes_only else (CHANGES, ANEW):
            yield _night(folder, way, night)
        if options.against and night <= 1:
            yield _earlier_night(folder, night, options)
    yield measured_apart(_fetched, folder, options.nights)
    if not options.changes_only:
        yield from (measured_apart(_end, folder, way) for way in (CHANGES, ANEW))
        yield from (measured_apart(_drift, folder, options.nights, same_weights) for same_weights in (False, True))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="titles in the catalog")
    parser.add_argument("--nights", type=int, default=1, help="nights in which a hundredth of the titles changes")
    parser.add_argument("--buckets", type=int, default=8, help="of the catalog")
    parser.add_argument("--changes-only", action="store_true", help="do not build anew beside it")
    parser.add_argument("--against", type=Path, help="checkout of 0f0178a")
    parser.add_argument("--against-python", default=sys.executable, help="the Python that has its dependencies")
    parser.add_argument("--against-buckets", type=int, default=8, help="of eight, so many are refreshed by it")
    return parser.parse_args()


def _store(folder: Path, way: str) -> FolderStore:
    """Of one way; all have one catalog."""
    store = folder / way / "store"
    if not store.exists():
        (store / "enrichment").mkdir(parents=True)
        (store / "enrichment" / "catalog").symlink_to(folder / "catalog" / "enrichment" / "catalog")
    return FolderStore(store)


def _buckets(folder: Path) -> list[str]:
    return sorted(path.name.removeprefix("bucket=") for path in (folder / "catalog/enrichment/catalog").iterdir())


def _write_catalog(folder: Path, rows: int, night: int, buckets: int) -> Row:
    """The catalog after so many nights; each changed a hundredth: two in three have another text, one left and one
    came."""
    records: list[list[MangaRecord]] = [[] for _ in range(buckets)]
    for number, record in enumerate(read_titles(SHIPPED / "titles.jsonl")):
        records[number % buckets].append(record)
    others = generate(rows, 2) if night else repeat(None)
    for number, (then, now) in enumerate(zip(generate(rows, 1), others, strict=False)):
        row = then.row
        if now is not None and 0 < number // 8 % 100 <= night:
            row = {**now.row, "manga_id": then.row["manga_id"]} if number % 3 else now.row
        record = clean_row(row, number)
        if isinstance(record, MangaRecord):
            records[number % buckets].append(record)
    for bucket, own in zip(bucket_keys(buckets), records, strict=True):
        own.sort(key=lambda record: record.manga_id)
        table = pa.Table.from_batches([batch_of((record_row(record, "") for record in own), CATALOG_SCHEMA)])
        FolderStore(folder).write(table_key("catalog", bucket), table)
    return {}


def _index(folder: Path, way: str, home: str = "here") -> SharedIndex:
    return SharedIndex(
        _store(folder, way),
        _buckets(folder),
        SystemClock(),
        holder="benchmark",
        full_after=0 if way == ANEW else 1_000,
        say=lambda _line: None,
        home=folder / way / home,
    )


def _night(folder: Path, way: str, night: int) -> Row:
    return {"what": f"night {night}, {way}" if night else "full build", **measured_apart(_refresh, folder, way, night)}


def _refresh(folder: Path, way: str, night: int) -> Row:
    """The whole step of one run: index and stored lists."""
    version, index = f"night {night}", _index(folder, way)
    reports = refresh_candidates(
        tables=_store(folder, way),
        buckets=_buckets(folder),
        catalog_version=version,
        index=cache(lambda: index.get(version)),
        today=date(2026, 1, 1 + night),
        share=0,
        say=lambda _line: None,
    )
    return {"titles": sum(each.titles for each in reports), "replaced": sum(each.changed for each in reports)}


def _earlier_night(folder: Path, night: int, options: argparse.Namespace) -> Row:
    store, result = _store(folder, "then").folder, folder / "then.json"
    home = folder / "then" / "temporary"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(options.against.resolve()), "TMPDIR": str(home)}
    script = str(Path(__file__).with_name("earlier_nights.py"))
    arguments = [str(store), f"night-{night}", str(options.against_buckets), str(result)]
    subprocess.run([options.against_python, script, *arguments], env=environment, check=True)
    return {"what": f"night {night}, 0f0178a" if night else "full build, 0f0178a", **json.loads(result.read_text())}


def _fetched(folder: Path, night: int) -> Row:
    """By another machine; and the sizes in bytes a title: of a copy, and of one of the two slots on S3."""
    lists = _index(folder, CHANGES, "there").get(f"night {night}")
    copy = sum(path.stat().st_size for path in lists.matrix.folder.iterdir())
    slots = (folder / CHANGES / "store" / "candidates" / "index" / slot for slot in "ab")
    packed = max(sum(path.stat().st_size for path in slot.glob("*")) for slot in slots)
    titles = len(lists.matrix)
    return {"what": "fetch", "bytes_a_title": round(copy / titles), "packed": round(packed / titles)}


def _end(folder: Path, way: str) -> Row:
    """What the stored lists find of the labelled relations, and what an answer costs that must be asked again."""
    store = _store(folder, way)
    lists = {of: each for bucket in _buckets(folder) for of, each in read_candidates(store, bucket).items()}
    found = recalls(
        {of: [each.manga_id for each in candidates] for of, candidates in lists.items()},
        read_labels(SHIPPED / "relations.jsonl"),
        frozenset(lists),
    )
    analysis = packaged_analyses().get("similar_series")
    model = load_models().resolve(analysis.model_alias)
    stored = store.read(table_key("catalog", _buckets(folder)[0]))
    records = [] if stored is None else list(records_from_table(stored.table))[:PRICED]
    inputs = (title_inputs(analysis, record, lists[record.manga_id]) for record in records)
    costs = [Question(analysis, model, each).cost_micro_usd for each in inputs if analysis.sufficient(each) is None]
    return {
        "what": f"stored lists, {way}",
        "recall": round(sum(found.values()) / len(found), 3),
        "usd_an_answer": round(sum(costs) / len(costs) / 1e6, 6),
    }


def _drift(folder: Path, night: int, same_weights: bool) -> Row:
    """Lists by what changed beside lists for which all titles were searched: share of the latter's titles that both
    have, share of lists that the rule would replace, and how alike, on average, are the titles of either's lists.

    same_weights: searched by the weights that the former's titles have; otherwise all is built anew.
    """
    updated, anew = (_index(folder, way).get(f"night {night}") for way in (CHANGES, ANEW))
    if same_weights:
        shutil.copytree(updated.matrix.folder, folder / "same")
        anew = write_lists(Matrix(folder / "same"), METHOD)
    mine, theirs = (each.first(each.matrix.find(updated.matrix.ids), SHOWN) for each in (updated, anew))
    as_theirs = np.where(mine == NO_TITLE, NO_TITLE, anew.matrix.find(updated.matrix.ids)[mine])
    shared, replaced = [], 0
    for stored, fresh in zip(as_theirs.tolist(), theirs.tolist(), strict=True):
        of_stored, of_fresh = set(stored) - {NO_TITLE}, set(fresh) - {NO_TITLE}
        if of_fresh:
            shared.append(len(of_stored & of_fresh) / len(of_fresh))
            missed = len(of_fresh - of_stored)
            replaced += replaces(stored=len(of_stored), gone=0, fresh=len(of_fresh), missed=missed)
    owners = anew.matrix.find(updated.matrix.ids)
    return {
        "what": f"by changes against {'the same weights, all searched' if same_weights else 'anew'}",
        "overlap": round(sum(shared) / len(shared), 4),
        "replaced_share": round(replaced / len(shared), 4),
        "alike": _alike(anew, owners, as_theirs),
        "alike_anew": _alike(anew, owners, theirs),
    }


def _alike(lists: Lists, owners: Numbers, members: Numbers) -> float:
    """Mean score of members with the title whose list they are in."""
    place, column = np.nonzero(members != NO_TITLE)
    scores = Search(lists.matrix, METHOD).scores(owners[place], members[place, column])
    return round(float(scores.mean()) / SCORE_STEPS, 5)


if __name__ == "__main__":
    main()
