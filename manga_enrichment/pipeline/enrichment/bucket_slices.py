"""A bucket's catalog beside its candidate lists and answers, some thousand titles at a time.

Belongs here: reading of each table no more than is wanted of it. Stays out: what is made of it (`plan_run.py`).
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.again.store import read_presses
from manga_enrichment.pipeline.candidates.tables import candidates_from_table
from manga_enrichment.pipeline.catalog.reader import open_catalog
from manga_enrichment.pipeline.catalog.tables import records_from_table
from manga_enrichment.pipeline.enrichment.known_questions import Slice
from manga_enrichment.pipeline.store.in_order import InOrder, batches_in_order, beside, paths_of
from manga_enrichment.pipeline.store.object_keys import table_key

CANDIDATES = "similar_candidates"


class BucketTables:
    """Gone through once. etags: by name, of what is there. presses: what people had asked again. answers: each
    analysis' table, None for one that is not there."""

    def __init__(self, tables: ObjectStore, bucket: str, analyses: Sequence[str]) -> None:
        """analyses: whose answers are wanted. Raises ConfigurationError for a bucket that was never imported."""
        catalog = open_catalog(tables, bucket)
        self.presses = read_presses(tables, bucket)
        self._catalog = catalog.file
        self._records = InOrder(self._catalog)
        stored = {name: tables.open(table_key(name, bucket)) for name in (CANDIDATES, *analyses)}
        self.etags = {"catalog": catalog.etag, **{name: each.etag for name, each in stored.items() if each}}
        files = {name: None if each is None else each.file for name, each in stored.items()}
        lists = files[CANDIDATES]
        ids = paths_of(lists, "candidates", ["manga_id"]) if lists else []  # no titles and no hints
        self._list_ids, self._lists = InOrder(lists, ["manga_id", *ids]), InOrder(lists)
        self.answers = {name: files[name] for name in analyses}
        self._fingerprints = {name: InOrder(files[name], ["manga_id", "fingerprint"]) for name in analyses}

    def slices(self) -> Iterator[Slice]:
        for part in batches_in_order(self._catalog, ["manga_id", "content_hash"]):
            if part.num_rows:
                ids, hashes = (part.column(name).combine_chunks() for name in ("manga_id", "content_hash"))
                yield Slice(ids, hashes, _beside(ids, self._list_ids))

    def fingerprints(self, ids: pa.Array) -> dict[str, pa.Array]:
        """Of each analysis' rows, beside these titles. ids: ascending, from one call to the next, too."""
        return {
            name: beside(ids, rows.between(*_ends(ids)), "fingerprint") for name, rows in self._fingerprints.items()
        }

    def titles(self, ids: pa.Array) -> tuple[list[MangaRecord], dict[str, tuple[Candidate, ...]]]:
        """(records, candidates by manga_id) of these titles that are there. ids: as of `fingerprints`."""
        records, lists = (_of(ids, rows.between(*_ends(ids))) for rows in (self._records, self._lists))
        return (
            [] if records is None else list(records_from_table(records)),
            {} if lists is None else candidates_from_table(lists),
        )


def _of(ids: pa.Array, rows: pa.Table | None) -> pa.Table | None:
    return None if rows is None else rows.filter(pc.is_in(rows.column("manga_id"), value_set=ids))


def _beside(ids: pa.Array, lists: InOrder) -> pa.Array:
    """The ids of each title's candidates as one text, null without a list."""
    part = lists.between(*_ends(ids))
    if part is None:
        return pa.nulls(len(ids), pa.string())
    found = part.column("candidates").combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(found), 0).to_pylist()
    members = pc.struct_field(pc.list_flatten(found), "manga_id")
    texts = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, *accumulate(lengths)], pa.int32()), members), ",")
    return beside(ids, part.select(["manga_id"]).append_column("texts", texts), "texts")


def _ends(ids: pa.Array) -> tuple[str, str]:
    return ids[0].as_py(), ids[-1].as_py()
