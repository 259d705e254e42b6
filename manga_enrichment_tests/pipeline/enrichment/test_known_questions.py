"""A plan that goes on from what the last one worked out is the plan that works out everything, for less."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate, TitleInputs
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.fingerprint import hashed_fields, question_identity
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment.pipeline.store.object_keys import catalog_hashes_key, plan_key, questions_key, table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    COMBINED,
    MODELS,
    SINGLES,
    World,
    bare_record,
    candidates_of,
    candidates_table,
    model_of,
    put_catalog,
    record,
)
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.planned import read_plan

TITLES = [record(1), record(2), record(3, synopsis=None), bare_record(4), record(5)]
KEY = questions_key(BUCKET)


@dataclass
class Nights:
    """A world whose plans remember. looked: at which titles an analysis asked whether there is enough."""

    world: World = field(default_factory=World)
    looked: list[str] = field(default_factory=list)
    night: int = 0

    def __post_init__(self) -> None:
        self.world.analyses = {name: self.watched(each) for name, each in ANALYSES.items()}
        self.put(TITLES)

    def watched(self, analysis: AnalysisType) -> AnalysisType:
        def sufficient(inputs: TitleInputs) -> str | None:
            self.looked.append(inputs.manga_id)
            return analysis.sufficient(inputs)

        return replace(analysis, sufficient=sufficient)

    def put(self, titles: Sequence[MangaRecord]) -> None:
        put_catalog(self.world.tables, titles)
        shown = list(hashed_fields(self.world.analyses.values()))
        self.world.tables.write_json(catalog_hashes_key(), {"fields": shown})

    def planned(self, selected: Sequence[str] = tuple(ANALYSES), *, remembers: bool = True) -> list[PlanRow]:
        self.night += 1
        self.looked.clear()
        run_id, world = f"plan-{self.night}", self.world
        planning = Planning(
            tables=world.tables, ledger=world.ledger, analyses=world.analyses, models=MODELS, remembers=remembers
        )
        self.report: PlanReport = planning.plan(run_id, [BUCKET], selected, lambda _line: None)
        rows = read_plan(world.tables, run_id, BUCKET, list(ANALYSES))
        del world.tables.objects[plan_key(run_id, BUCKET)]
        return rows

    def agrees(self, selected: Sequence[str] = tuple(ANALYSES)) -> list[str]:
        """Assert that what is known changes nothing but the effort; titles that were looked at."""
        found, report, looked = self.planned(selected, remembers=False), self.report, sorted(set(self.looked))
        known = self.world.tables.objects.pop(KEY, None)
        assert found == self.planned(selected, remembers=False)
        assert report.as_dict() == self.report.as_dict()
        if known is not None:
            self.world.tables.objects[KEY] = known
        return looked


def enriched(*titles: MangaRecord) -> Nights:
    nights = Nights()
    if titles:
        nights.put(titles)
    nights.planned()
    nights.world.run("run-1")
    nights.planned()
    return nights


def ids(*titles: MangaRecord) -> list[str]:
    return [title.manga_id for title in titles]


def test_of_a_bucket_in_which_nothing_changed_no_title_is_looked_at() -> None:
    nights = enriched()
    before = nights.world.tables.objects[KEY]
    assert nights.agrees() == []
    assert {row.reason for row in nights.planned()} != set()  # titles with too little text are planned all the same
    assert nights.world.tables.objects[KEY] == before


def test_what_the_first_plan_worked_out_serves_the_night_after_its_answers() -> None:
    nights = Nights()
    nights.planned()
    assert set(nights.looked) == set(ids(*TITLES))
    nights.world.run("run-1")
    assert nights.agrees() == []


@pytest.mark.parametrize(
    ("change", "looked"),
    [
        (lambda titles: [replace(titles[0], synopsis="Another story altogether. " * 9), *titles[1:]], [record(1)]),
        (lambda titles: [*titles[:3], record(4), titles[4]], [record(4)]),
        (lambda titles: titles[1:], []),
        (lambda titles: [replace(titles[0], source="elsewhere"), *titles[1:]], []),
    ],
    ids=["a synopsis", "enough text at last", "a title left", "what no prompt shows"],
)
def test_only_what_changed_is_looked_at(
    change: Callable[[list[MangaRecord]], list[MangaRecord]], looked: list[MangaRecord]
) -> None:
    nights = enriched()
    lists = nights.world.tables.objects[table_key("similar_candidates", BUCKET)]
    nights.put(change(TITLES))
    nights.world.tables.objects[table_key("similar_candidates", BUCKET)] = lists
    assert nights.agrees() == ids(*looked)
    nights.planned()
    nights.world.run("run-2")
    assert nights.agrees() == []


def test_a_title_with_other_candidates_is_looked_at_again() -> None:
    nights = enriched()
    lists = {**candidates_of(TITLES), TITLES[1].manga_id: (Candidate(record(9).manga_id, "Nine"),)}
    nights.world.tables.write(table_key("similar_candidates", BUCKET), candidates_table(lists.items()))
    assert nights.agrees() == ids(TITLES[1])


def test_what_failed_for_good_and_what_was_left_is_looked_at_every_night() -> None:
    nights = Nights()
    nights.world.model = ScriptedModel(nights.world.clock, {TITLES[0].manga_id: [ErrorClass.REFUSAL] * 9})
    nights.world.run("run-1")
    nights.planned()
    assert nights.agrees() == ids(TITLES[0])


def test_an_answer_that_counts_no_more_is_asked_again() -> None:
    nights = enriched()
    changed = replace(nights.world.analyses["reading_level"], version="another")
    nights.world.analyses = {**nights.world.analyses, "reading_level": changed}
    nights.put(TITLES)
    assert nights.agrees() == ids(TITLES[2], TITLES[3])  # the others' answers are of the combined call


def test_other_rules_for_what_is_enough_are_noticed() -> None:
    nights = enriched()
    strict = replace(
        nights.world.analyses["reading_level"], sufficient=lambda _inputs: "never", judged_by="another rule"
    )
    nights.world.analyses = {**nights.world.analyses, "reading_level": strict}
    nights.agrees()
    assert {row.reason for row in nights.planned(["reading_level"])} == {"never"}


def test_of_rules_that_nobody_can_tell_nothing_is_remembered() -> None:
    nights = enriched()
    unknown = {name: replace(each, judged_by="") for name, each in nights.world.analyses.items()}
    nights.world.analyses = unknown
    assert nights.agrees() == ids(*TITLES)
    assert all(question_identity(each, model_of(each)) == "" for each in unknown.values())


@pytest.mark.parametrize("noted", [[], ["title"]], ids=["of nobody knows what", "of other fields"])
def test_hashes_of_other_fields_than_prompts_show_count_for_nothing(noted: list[str]) -> None:
    nights = enriched()
    nights.world.tables.write_json(catalog_hashes_key(), {"fields": noted})
    assert nights.agrees() == ids(*TITLES)


def test_a_plan_that_is_only_an_estimate_puts_nothing_down() -> None:
    nights = Nights()
    nights.planned(remembers=False)
    assert KEY not in nights.world.tables.objects


def test_what_one_analysis_alone_had_worked_out_stays_beside_what_another_has() -> None:
    nights = Nights()
    nights.planned(["reading_level"])
    nights.world.run("run-1", ["reading_level"])
    nights.planned(["content_summary"])
    nights.world.run("run-2", ["content_summary"])
    assert nights.agrees(["reading_level"]) == []
    assert nights.agrees(["content_summary"]) == []
    assert nights.agrees([COMBINED]) != []


LENGTHS = [None, "A quiet town by the sea keeps its bookshop. " * 4, "Two friends find a letter between pages. " * 5]


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_whatever_happens_in_a_week_the_plan_is_that_of_somebody_who_knows_nothing(data: st.DataObject) -> None:
    nights = Nights()
    for night in range(3):
        numbers = data.draw(st.sets(st.integers(1, 6), min_size=1), label="titles")
        titles = [record(each, synopsis=data.draw(st.sampled_from(LENGTHS))) for each in sorted(numbers)]
        nights.put([bare_record(9), *titles])
        selected = data.draw(st.sampled_from([tuple(ANALYSES), (COMBINED,), ("reading_level",), tuple(SINGLES)]))
        refused = data.draw(st.sets(st.integers(1, 6), max_size=2), label="refused")
        script = {record(each).manga_id: [ErrorClass.REFUSAL] * 9 for each in refused}
        nights.world.model = ScriptedModel(nights.world.clock, script)
        nights.agrees(selected)
        nights.planned(selected)
        nights.world.run(f"run-{night}", selected)
        nights.agrees(selected)
