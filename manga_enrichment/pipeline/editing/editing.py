"""An editor corrects an answer, or takes that back.

Belongs here: what must hold first, the order: store, then what readers read (`showing.py`). Stays out: what a value may
be (`pipeline/labels/corrections.py`), laying it over rows (`pipeline/labels/overlay.py`), who the editor is.

The store is the truth: whoever builds a table or answers a partner lays what stands in it over what the model said. A
kill between the two leaves `enriched_catalog` to whoever says the same again, or to the next run that builds it.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import bucket_of
from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.domain.text.rule import readable
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.reader import read_catalog, read_records
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.editing.showing import row_of, show_corrections
from manga_enrichment.pipeline.labels.corrections import (
    CorrectionError,
    answer_of,
    check_correction,
    corrections_of,
    read_corrections,
)
from manga_enrichment.pipeline.labels.store import add_labels
from manga_enrichment.pipeline.store.object_keys import table_key

RUN_ID = "correction"
"""Who changed a row, in `enriched_changes`: no run did."""
MOST_CHARACTERS = {"by": 100, "because": 1000}


class Editing:
    """analyses: of titles, by name. buckets: of the catalog."""

    def __init__(self, objects: ObjectStore, analyses: Mapping[str, AnalysisType], buckets: int, clock: Clock) -> None:
        self._objects, self._analyses, self._buckets, self._clock = objects, analyses, buckets, clock

    def correct(self, manga_id: str, analysis: str, field: str, value: Any, *, by: str, because: str) -> Label:
        """From now on readers get `value`. Said twice it is one correction.

        field: a column of the analysis' table; value: JSON's. Raises CorrectionError, WriteConflictError,
        StoreUnavailableError.
        """
        known = self._known(analysis)
        wanted = check_correction(known, field, value)
        self._check_named(manga_id, wanted)
        by, because = _said("by", by), _said("because", because)
        replaced = self._answer(known, manga_id, field)
        standing = self._standing(known, manga_id, field)
        if standing is not None and standing.value == wanted:
            return self._shown(known, standing)
        if standing is None and replaced == wanted:
            raise CorrectionError(f"{field} of {manga_id} is that already: there is nothing to correct")
        if standing is not None:
            replaced = standing.value
        now = self._clock.now()
        said = Label(manga_id, analysis, field, wanted, by, now, because, LabelKind.CORRECTION, replaced)
        add_labels(self._objects, [said])
        return self._shown(known, said)

    def take_back(self, manga_id: str, analysis: str, field: str, *, by: str, because: str) -> Label:
        """From now on readers get what the model says. Said twice it is taken back once. Raises as `correct`."""
        known = self._known(analysis)
        by, because = _said("by", by), _said("because", because)
        said = [each for each in corrections_of(self._objects, [known], manga_id) if each.field == field]
        if not said:
            raise CorrectionError(f"{field} of {manga_id} has no correction that could be taken back")
        last = said[-1]
        if last.kind is LabelKind.TAKEN_BACK:
            return self._shown(known, last)
        now = self._clock.now()
        back = Label(manga_id, analysis, field, None, by, now, because, LabelKind.TAKEN_BACK, last.value)
        add_labels(self._objects, [back])
        return self._shown(known, back)

    def at_odds(self, manga_id: str, analysis: str) -> list[str]:
        """What the analysis' own rules say against the answer as readers get it now, as where a level was corrected and
        the age that goes with it was not. [] of one that is about candidates: editors may name others."""
        known = self._known(analysis)
        bucket = bucket_of(manga_id, self._buckets)
        record = next((each for each in read_records(self._objects, bucket) if each.manga_id == manga_id), None)
        stored = self._objects.read(table_key(analysis, bucket))
        row = row_of(stored.table, manga_id) if stored else {}
        if record is None or not row or known.needs_candidates:
            return []
        read = row | read_corrections(self._objects, known, pa.array([manga_id])).of(manga_id)
        return known.check(answer_of(known, read), title_inputs(known, record))

    def _check_named(self, manga_id: str, value: Any) -> None:
        """Titles that a value names are others, and of the catalog. Raises CorrectionError."""
        named = [each["manga_id"] for each in value if "manga_id" in each] if _has_parts(value) else []
        for each in named:
            bucket = bucket_of(each, self._buckets)
            if each == manga_id or not row_of(read_catalog(self._objects, bucket, ["manga_id"]), each):
                why = "the title itself" if each == manga_id else "no title of the catalog"
                raise CorrectionError(f"{each} is {why}: name another")

    def _shown(self, analysis: AnalysisType, said: Label) -> Label:
        bucket = bucket_of(said.manga_id, self._buckets)
        show_corrections(self._objects, bucket, said.manga_id, analysis, Origin(RUN_ID, self._clock.now()))
        return said

    def _known(self, analysis: str) -> AnalysisType:
        if analysis not in self._analyses:
            raise CorrectionError(f"There is no analysis {analysis!r:.60}; there are {', '.join(self._analyses)}")
        return self._analyses[analysis]

    def _standing(self, analysis: AnalysisType, manga_id: str, field: str) -> Label | None:
        found = read_corrections(self._objects, analysis, pa.array([manga_id])).by_title
        return next((each for each in found.get(manga_id, ()) if each.field == field), None)

    def _answer(self, analysis: AnalysisType, manga_id: str, field: str) -> Any:
        """What the model says. Raises CorrectionError where it says nothing of this title."""
        key = table_key(analysis.name, bucket_of(manga_id, self._buckets))
        stored = self._objects.read(key, ["manga_id", field])
        row = {} if stored is None else row_of(stored.table, manga_id)
        if not row:
            raise CorrectionError(f"{manga_id:.60} has no answer of {analysis.name} that could be corrected")
        return row.get(field)


def _has_parts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _said(name: str, text: str) -> str:
    said = readable(text).strip()
    if not said or len(said) > MOST_CHARACTERS[name]:
        raise CorrectionError(f"{name} is needed, in 1 to {MOST_CHARACTERS[name]} characters")
    return said
