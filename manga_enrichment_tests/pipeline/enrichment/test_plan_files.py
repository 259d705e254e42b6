"""Plans on disk come back as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.engine.money.estimates import CallEstimate
from manga_enrichment.pipeline.enrichment.plan_files import plan_rows, write_plan
from manga_enrichment.pipeline.enrichment.planner import Action, Planned
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.planned import read_plan

names = st.sampled_from(sorted(ANALYSES))
tokens = st.integers(0, 100_000)
plans = st.builds(
    Planned,
    manga_id=st.text(max_size=12),
    analysis=names,
    action=st.sampled_from(Action),
    fills=st.lists(names, max_size=4, unique=True).map(tuple),
    fingerprint=st.text(max_size=64),
    reason=st.text(max_size=80),
    estimate=st.none() | st.builds(CallEstimate, tokens, tokens, tokens, tokens, st.booleans(), tokens),
    estimated_micro_usd=tokens,
)


@given(st.lists(plans, max_size=5))
def test_a_plan_is_read_back_in_order_and_whole(planned: list[Planned]) -> None:
    tables = MemoryTables()
    written = sorted(plan_rows(planned), key=lambda row: row.manga_id)  # as catalogs are
    write_plan(tables, "run-1", "0", [written[:2], written[2:]], {"catalog": "etag"})
    assert read_plan(tables, "run-1", "0", list(ANALYSES)) == written
    assert [(row.manga_id, row.fills, row.estimated_micro_usd) for row in written] == [
        (plan.manga_id, plan.fills, plan.estimated_micro_usd)
        for plan in sorted(planned, key=lambda plan: plan.manga_id)
    ]


@given(st.lists(plans, max_size=5), names)
def test_only_the_rows_of_the_analyses_asked_for_are_read(planned: list[Planned], name: str) -> None:
    tables = MemoryTables()
    written = sorted(plan_rows(planned), key=lambda row: row.manga_id)  # as catalogs are
    write_plan(tables, "run-1", "0", [written[:2], written[2:]], {})
    assert read_plan(tables, "run-1", "0", [name]) == [row for row in written if row.analysis == name]


def test_a_run_without_a_plan_says_how_to_get_one() -> None:
    with pytest.raises(LookupError, match="run-1 has no plan for bucket 0: re-execute it from the plan step"):
        read_plan(MemoryTables(), "run-1", "0", list(ANALYSES))
