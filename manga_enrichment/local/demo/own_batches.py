"""The demo's batches about titles of the catalog that is there: the shipped ones name titles of the shipped sample.

Belongs here: which titles stand in for which. Stays out: sending (`partners.py`).
"""

import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from manga_enrichment.gateways.objects import TableReader
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.pipeline.store.object_keys import table_key

UNKNOWN = "MNG-ZZZZZZZZ"
"""Is in a batch because no catalog has it."""
_ANSWERED = ("primary_genre", "summary_en", "reading_level")


def batches_for(tables: TableReader, buckets: Iterable[str], shipped: Path, folder: Path) -> Path:
    """The shipped batches where the catalog has their titles; else a folder of the same with titles that it has."""
    found = {each.name: each.read_text("utf-8") for each in sorted(shipped.glob("*.json"))}
    named = [name for name in dict.fromkeys(_ids(found.values())) if name != UNKNOWN]
    titles = _titles(tables, buckets)
    if not titles or all(name in titles for name in named):
        return shipped
    stand_ins = dict(zip(named, _most_answered(titles, len(named)), strict=False))
    folder.mkdir(parents=True, exist_ok=True)
    names = re.compile("|".join(stand_ins))
    for name, text in found.items():
        (folder / name).write_text(names.sub(lambda each: stand_ins[each.group()], text), "utf-8")
    return folder


def _ids(texts: Iterable[str]) -> Iterable[str]:
    """Of titles, as they should be: a batch has others on purpose."""
    for text in texts:
        for item in json.loads(text)["items"]:
            if len(item.get("manga_id", "")) == len(UNKNOWN):
                yield item["manga_id"]


def _titles(tables: TableReader, buckets: Iterable[str]) -> dict[str, int]:
    """manga_id -> how much was answered about it."""
    titles = {}
    for bucket in buckets:
        stored = tables.read(table_key(ENRICHED_TABLE, bucket), ["manga_id", *_ANSWERED])
        for row in stored.table.to_pylist() if stored else ():
            titles[row["manga_id"]] = sum(row[name] is not None for name in _ANSWERED)
    return titles


def _most_answered(titles: Mapping[str, int], count: int) -> Iterable[str]:
    return islice(sorted(titles, key=lambda each: (-titles[each], each)), count)
