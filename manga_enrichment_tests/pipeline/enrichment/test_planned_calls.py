"""From a plan to its calls, made when they are wanted."""

import pyarrow as pa
import pytest

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.pipeline.enrichment.asking.planned_calls import planned_calls
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow, write_plan
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    candidates_table,
    fingerprint_of,
    model_of,
    provenance,
    put_catalog,
    record,
)
from manga_enrichment_tests.fakes import MemoryTables

SERIES = "similar_series"
TITLES = sorted((record(number) for number in range(1, 65)), key=lambda each: each.manga_id)
HINT_BYTES = 20_000
LISTED = tuple(Candidate(record(n).manga_id, record(n).title, "x" * HINT_BYTES) for n in (90, 91, 92))
LISTS_BYTES = len(TITLES) * len(LISTED) * HINT_BYTES


def planned(name: str) -> MemoryTables:
    """Every title is to be asked by this analysis."""
    tables = MemoryTables()
    put_catalog(tables, TITLES)
    lists = candidates_table((each.manga_id, LISTED) for each in TITLES)
    tables.write(table_key("similar_candidates", BUCKET), lists)
    rows = [PlanRow(each.manga_id, name, Action.ASK, (name,), "f", "new", 0, 0, 0) for each in TITLES]
    write_plan(tables, provenance().run_id, BUCKET, [rows], {})
    return tables


@pytest.mark.parametrize("name", ANALYSES)
def test_a_call_is_the_question_about_the_whole_title(name: str) -> None:
    """Of which no more is read than its prompt shows."""
    analysis = ANALYSES[name]
    calls = planned_calls(planned(name), analysis, model_of(analysis), [BUCKET], provenance().run_id)
    assert [each.fingerprint for each in calls] == [fingerprint_of(name, title, LISTED) for title in TITLES]


def test_while_a_call_waits_to_be_wanted_no_table_is_held() -> None:
    tables, analysis = planned(SERIES), ANALYSES[SERIES]
    before = pa.total_allocated_bytes()
    calls = planned_calls(tables, analysis, model_of(analysis), [BUCKET], provenance().run_id)
    first = next(calls)
    assert [each.manga_id for each in first.inputs.candidates] == [each.manga_id for each in LISTED]
    assert pa.total_allocated_bytes() - before < LISTS_BYTES / 4
    assert [first.manga_id, *(each.manga_id for each in calls)] == [each.manga_id for each in TITLES]
