"""The calls that a run's plan says are to be made, built when they are wanted.

Belongs here: from plan, catalog and candidate lists to calls, some hundred titles at a time. Stays out: asking
(`ask.py`, `submit_batch.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.tables import candidates_from_table
from manga_enrichment.pipeline.catalog.reader import open_catalog
from manga_enrichment.pipeline.catalog.tables import records_from_table
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.enrichment.calibrations import read_calibration
from manga_enrichment.pipeline.enrichment.plan_files import OpenPlan, open_plan
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.store.in_order import InOrder, batches_in_order
from manga_enrichment.pipeline.store.object_keys import table_key

_TITLES_AT_ONCE = 256
"""Those of each of a night's analyses wait to be asked, with 8 KB of candidates each."""


def planned_calls(
    tables: ObjectStore,
    analysis: AnalysisType,
    model: ModelSpec,
    buckets: Sequence[str],
    run_id: str,
    opened: Callable[[str, int], None] = lambda _bucket, _calls: None,
) -> Iterator[Call]:
    """Bucket by bucket, in order of manga_id. opened: told of each bucket and its number of calls before them."""
    calibration = read_calibration(tables, analysis.name, model.model_id)
    for bucket in buckets:
        plan = open_plan(tables, run_id, bucket, [analysis.name])
        calls = plan.asked[analysis.name]
        opened(bucket, calls)
        if calls:
            yield from _calls_of(tables, bucket, plan, analysis, model, calibration)


def _calls_of(
    tables: ObjectStore,
    bucket: str,
    plan: OpenPlan,
    analysis: AnalysisType,
    model: ModelSpec,
    calibration: Calibration | None,
) -> Iterator[Call]:
    stored = tables.open(table_key("similar_candidates", bucket)) if analysis.needs_candidates else None
    lists = InOrder(stored.file if stored else None, at_once=_TITLES_AT_ONCE)
    shown = list(dict.fromkeys(["manga_id", "title", *analysis.fields]))  # every record has two
    for part in batches_in_order(open_catalog(tables, bucket).file, shown, _TITLES_AT_ONCE):
        if not part.num_rows:
            continue
        ids = part.column("manga_id")
        first, last = ids[0].as_py(), ids[-1].as_py()
        asked = {row.manga_id: row for row in plan.up_to(last) if row.action is Action.ASK}
        if not asked:
            continue
        records, known = _shown(part, lists.between(first, last), pa.array(asked, pa.string()))
        del part  # or the tables stay while the calls are made that are wanted one by one
        for record in records:
            row = asked[record.manga_id]
            inputs = title_inputs(analysis, record, known.get(record.manga_id, ()), again=row.again)
            yield build_call(Question(analysis, model, inputs, calibration), bucket, row.reason)


def _shown(
    titles: pa.Table, lists: pa.Table | None, wanted: pa.Array
) -> tuple[list[MangaRecord], Mapping[str, tuple[Candidate, ...]]]:
    """(records, candidates by manga_id) of the wanted titles."""
    known = {} if lists is None else candidates_from_table(_rows_of(lists, wanted))
    return list(records_from_table(_rows_of(titles, wanted))), known


def _rows_of(table: pa.Table, manga_ids: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table.column("manga_id"), value_set=manga_ids))
