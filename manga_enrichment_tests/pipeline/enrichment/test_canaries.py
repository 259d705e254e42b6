"""A canary asks its share before anything else is asked, and the rest only when its answers are as those before."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.trials.canary import Canary, CanaryState
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.enrichment.canaries import Verdict, is_in_force, judge, open_canaries
from manga_enrichment.pipeline.enrichment.forecast import Throughput, forecast_next_run
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment.pipeline.health.table_quality import coverage, outcome_facts
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, COMBINED, MODELS, World, bare_record, put_catalog, record, title_id
from manga_enrichment_tests.scripted_model import DEFAULT_USAGE, prompt_fields_of, valid_answer

LEVEL = "reading_level"
TITLES = 120
NEW = replace(ANALYSES[LEVEL], version="2", instructions="Judge anew.")
LEVELS = (("kids", 6), ("teen", 12), ("adult", 16))


def said(call: ModelCall) -> ModelReply:
    """Levels in equal parts; under the new instructions `adult` for all, where the title says so."""
    answer = dict(valid_answer(call.prompt))
    number = int(prompt_fields_of(call.prompt)["manga_id"].rsplit("-", 1)[1])
    moved = "anew" in call.prompt.system and "moved" in call.prompt.user
    level, age = LEVELS[2] if moved else LEVELS[number % 3]
    return ModelReply("tool_use", answer | {"level": level, "min_age": age}, DEFAULT_USAGE)


class CanaryWorld(World):
    """A catalog whose answers are of version 1, and an analysis that is of version 2 since."""

    def __init__(self, *, moved: bool = False, percent: float = 40) -> None:
        super().__init__()
        self.model._otherwise = said  # noqa: SLF001
        titles = [record(n, publisher="moved" if moved else "same") for n in range(1, TITLES + 1)]
        put_catalog(self.tables, [*titles, bare_record(TITLES + 1)])
        self.run(selected=[LEVEL])
        self.before = dict(self.answers(LEVEL))
        self.model.sent.clear()
        self.analyses = {**ANALYSES, LEVEL: NEW}
        model_id = MODELS.resolve("haiku").model_id
        self.status.put_canary(Canary(LEVEL, "2", model_id, percent, datetime(2026, 1, 1, tzinfo=UTC)))

    @property
    def canary(self) -> Canary:
        found = self.status.canary(LEVEL)
        assert found is not None
        return found

    @property
    def own(self) -> set[str]:
        return {title_id(n) for n in range(1, TITLES + 1) if self.canary.has(title_id(n))}

    def plan(self, run_id: str = "run-1", selected: Any = (LEVEL,)) -> PlanReport:
        canaries = open_canaries(self.status, self.analyses)
        planning = Planning(
            tables=self.tables, ledger=self.ledger, analyses=self.analyses, models=MODELS, canaries=canaries
        )
        return planning.plan(run_id, [BUCKET], list(selected), lambda _line: None)

    def judged(self) -> Verdict:
        verdict = judge(self.canary, self.tables, [BUCKET], self.analyses, MODELS)
        self.status.judge_canary(verdict.canary)
        return verdict

    def night(self, run_id: str) -> set[str]:
        """Titles that a night asked."""
        already = len(self.model.sent)
        self.run(run_id, [LEVEL])
        return {sent.manga_id for sent in self.model.sent[already:]}


def test_only_its_titles_are_asked_and_the_others_keep_their_answers_and_are_no_failure() -> None:
    world = CanaryWorld()
    assert world.night("run-2") == world.own
    assert 30 < len(world.own) < 70
    after, outcomes = world.answers(LEVEL), world.outcomes(LEVEL)
    for manga_id, row in world.before.items():
        if manga_id in world.own:
            assert (after[manga_id]["prompt_version"], outcomes[manga_id]["outcome"]) == ("2", "succeeded")
        else:
            assert after[manga_id] == row
            assert (outcomes[manga_id]["outcome"], outcomes[manga_id]["error_class"]) == ("deferred", "canary")
            assert outcomes[manga_id]["reason"] == "the canary of reading_level asks 40 % of titles first"
    assert outcomes[title_id(TITLES + 1)]["outcome"] == "insufficient_input"


def test_who_waits_for_a_canary_is_no_gap_in_coverage() -> None:
    world = CanaryWorld()
    world.night("run-2")
    counts = outcome_facts(world.tables, LEVEL, [BUCKET]).standings
    waiting = TITLES - len(world.own)
    assert counts == {"succeeded": len(world.own), "held_back": waiting, "insufficient_input": 1}
    assert coverage(counts) == 1.0


def test_a_canary_whose_answers_are_as_before_passes_and_the_rest_is_asked() -> None:
    world = CanaryWorld()
    world.night("run-2")
    verdict = world.judged()
    assert verdict.canary.state is CanaryState.PASSED
    assert {finding.what for _, finding in verdict.findings} >= {"reading_level", "min_age", "titles without an answer"}
    assert world.night("run-3") == world.before.keys() - world.own
    assert world.night("run-4") == set()
    assert Counter(row["prompt_version"] for row in world.answers(LEVEL).values()) == {"2": TITLES}


def test_a_canary_that_drifts_fails_says_what_differs_and_nothing_more_is_asked() -> None:
    world = CanaryWorld(moved=True)
    world.night("run-2")
    verdict = world.judged()
    assert verdict.canary.state is CanaryState.FAILED
    assert "reading_level: adult 3" in verdict.said
    assert "% before, 100% now (chi-square, p" in verdict.said
    assert world.night("run-3") == set()
    reasons = {row["reason"] for row in world.outcomes(LEVEL).values() if row["error_class"] == "canary"}
    assert reasons == {f"the canary of reading_level failed: {verdict.said}"}
    world.analyses = dict(ANALYSES)  # taken back
    assert world.night("run-4") == set(), "answers of before are in the ledger"
    assert {name: row["reading_level"] for name, row in world.answers(LEVEL).items()} == {
        name: row["reading_level"] for name, row in world.before.items()
    }


def test_what_is_meant_to_change_may_change() -> None:
    world = CanaryWorld(moved=True)
    world.status.put_canary(replace(world.canary, may_drift=("reading_level", "min_age")))
    world.night("run-2")
    assert world.judged().canary.state is CanaryState.PASSED


def test_after_a_budget_stop_nothing_is_judged_and_the_next_night_goes_on() -> None:
    world = CanaryWorld(moved=True)
    day = f"day:{world.clock.now().date().isoformat()}"
    world.settings = replace(world.settings, caps=Caps(per_day_micro_usd=world.budget.spent(day)[1] + 2_000))
    asked = world.night("run-2")
    assert asked < world.own
    verdict = world.judged()
    assert verdict.canary.state is CanaryState.ASKING
    assert "answers of the canary are missing (" in verdict.said
    assert "budget" in verdict.said
    world.settings = replace(world.settings, caps=Caps())
    assert asked | world.night("run-3") == world.own
    assert world.judged().canary.state is CanaryState.FAILED


def test_before_it_was_asked_it_is_not_judged() -> None:
    verdict = CanaryWorld().judged()
    assert verdict.canary.state is CanaryState.ASKING
    assert "not asked yet" in verdict.said


def test_a_canary_of_a_few_titles_says_that_it_is_too_small() -> None:
    world = CanaryWorld(percent=10)
    world.night("run-2")
    verdict = world.judged()
    assert (verdict.canary.state, verdict.is_too_small) == (CanaryState.ASKING, True)
    assert "titles are too few to judge, 30 are needed" in verdict.said


def test_answers_of_a_trial_wait_too_so_that_no_title_changes_before_the_verdict() -> None:
    world = CanaryWorld()
    world.status.put_canary(replace(world.canary, state=CanaryState.PASSED))
    other = replace(NEW, version="3")
    world.analyses = {**ANALYSES, LEVEL: other}
    world.night("run-2")  # all are in the ledger as version 3
    world.analyses = {**ANALYSES, LEVEL: NEW}
    world.night("run-3")
    world.analyses = {**ANALYSES, LEVEL: other}
    world.status.put_canary(replace(world.canary, version="3", state=CanaryState.ASKING))
    assert world.night("run-4") == set()
    versions = {name: row["prompt_version"] for name, row in world.answers(LEVEL).items()}
    assert {name for name, version in versions.items() if version == "3"} == world.own


def test_a_canary_of_a_part_holds_back_all_that_a_combined_call_with_it_would_ask() -> None:
    world = CanaryWorld()
    world.analyses = with_part(NEW)
    plan = world.plan("run-2", list(world.analyses))
    held = {name: part.actions.get("held_back", 0) for name, part in plan.analyses.items()}
    assert held[LEVEL] == TITLES - len(world.own)
    singles = [name for name, each in ANALYSES.items() if not each.parts]
    assert {held[name] for name in singles} == {TITLES - len(world.own)}
    asked = plan.analyses[COMBINED].actions["ask"]
    assert asked == len(world.own)


def with_part(part: AnalysisType) -> dict[str, AnalysisType]:
    whole = ANALYSES[COMBINED]
    return {**ANALYSES, part.name: part, COMBINED: replace(whole, version="1-1-1-1-2")}


@pytest.mark.parametrize(
    ("version", "model", "expected"), [("2", "haiku", True), ("1", "haiku", False), ("2", "sonnet", False)]
)
def test_a_canary_is_over_when_something_else_would_be_asked(version: str, model: str, expected: bool) -> None:
    world = CanaryWorld()
    world.status.put_canary(replace(world.canary, version=version, model_id=MODELS.resolve(model).model_id))
    assert is_in_force(world.canary, world.analyses, MODELS) is expected
    asked = world.plan("run-2").analyses[LEVEL].actions.get("ask", 0)
    assert (asked < TITLES) is expected


def test_a_canary_of_an_analysis_that_is_gone_is_over() -> None:
    world = CanaryWorld()
    assert not is_in_force(replace(world.canary, analysis="gone"), world.analyses, MODELS)


def test_answers_that_stay_current_are_on_no_side() -> None:
    """A single call's, when the combined one changes: nobody asks for these titles anew, so nobody waits for them."""
    world = CanaryWorld()
    world.analyses = {**ANALYSES, COMBINED: replace(ANALYSES[COMBINED], version="9")}
    combined = replace(world.canary, analysis=COMBINED, version="9")
    verdict = judge(combined, world.tables, [BUCKET], world.analyses, MODELS)
    assert verdict.said.startswith("0 titles are too few")


def test_the_forecast_of_a_night_leaves_out_who_waits() -> None:
    world = CanaryWorld()
    what = {"tables": world.tables, "ledger": world.ledger, "analyses": world.analyses, "models": MODELS}
    pace = Throughput(8)
    (line,) = forecast_next_run("f", [BUCKET], [LEVEL], **what, pace=pace, canaries=[world.canary])
    (whole,) = forecast_next_run("f", [BUCKET], [LEVEL], **what, pace=pace)
    assert (line.calls, whole.calls) == (len(world.own), TITLES)
    assert world.night("run-2") == world.own
