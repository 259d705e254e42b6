"""Invoking brings every planned call to an outcome, and loses no attempt on the way to the log."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.budget import BudgetScope
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.calls import EngineSettings
from manga_enrichment.pipeline.engine.invocation import InvokeSettings
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.store.object_keys import results_key
from manga_enrichment_tests.builders import (
    BUCKET,
    COMBINED,
    SINGLES,
    World,
    bare_record,
    open_budget_settings,
    provenance,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import ScriptedModel, Step

TITLES = [record(number) for number in range(1, 7)]
FIRST_CALL_MICRO_USD = 800
"""Set aside for a call that may have to write the prompt cache; what it does not use comes back."""
DAY = f"day:{provenance().run_date}"


def world_with(script: dict[str, list[Step]] | None = None, otherwise: Step = None) -> World:
    world = World()
    put_catalog(world.tables, TITLES)
    world.model = ScriptedModel(world.clock, script, otherwise=otherwise)
    return world


def spent_micro_usd(world: World) -> int:
    committed, spent = world.budget.spent(DAY)
    assert committed == spent
    return spent


def test_every_planned_call_is_asked_once_and_lands_in_the_ledger() -> None:
    world = world_with()
    world.plan()
    report = world.invoke(COMBINED)
    assert [sent.manga_id for sent in world.model.sent] == [title.manga_id for title in TITLES]
    assert {entry.manga_id for entry in world.ledger.entries.values()} == {title.manga_id for title in TITLES}
    assert (report.titles, report.calls, report.outcomes) == (6, 6, {"succeeded": 6})
    assert report.cost_micro_usd == spent_micro_usd(world)


def test_an_analysis_without_planned_calls_asks_nothing() -> None:
    world = world_with()
    world.plan()
    assert world.invoke("reading_level").titles == 0
    assert world.model.sent == []


def test_a_second_try_of_the_op_pays_only_for_what_the_first_did_not_get() -> None:
    lost: list[Step] = [ErrorClass.READ_TIMEOUT] * 2
    world = world_with({title_id(1): lost, title_id(2): lost})
    world.plan()
    first = world.invoke(COMBINED)
    second = world.invoke(COMBINED, attempt=1)
    assert first.outcomes == {"succeeded": 4, "failed": 2}
    assert (second.outcomes, second.cached, second.calls) == ({"succeeded": 6}, 4, 2)


def test_attempts_of_an_earlier_try_of_the_op_stay_in_the_log() -> None:
    lost: list[Step] = [ErrorClass.READ_TIMEOUT] * 4
    world = world_with({title_id(1): lost, title_id(2): lost[:2]})
    world.plan()
    for attempt in range(3):
        world.invoke(COMBINED, attempt=attempt)
    world.write(COMBINED)
    timeouts = [row["manga_id"] for row in world.log() if row["error_class"] == "read_timeout"]
    assert sorted(timeouts) == [title_id(1)] * 4 + [title_id(2)] * 2
    assert world.logged_cost_micro_usd() == spent_micro_usd(world)


def test_what_the_ledger_keeps_is_not_kept_twice() -> None:
    world = world_with({title_id(1): [ErrorClass.READ_TIMEOUT] * 2})
    world.plan()
    world.invoke(COMBINED)
    rows = world.rows(results_key("run-1", COMBINED, BUCKET))
    assert {row["manga_id"] for row in rows} == {title_id(1)}


def test_attempts_are_kept_also_when_the_run_breaks_off() -> None:
    """A gateway that finds its configuration wrong in the middle ends the op; what was paid for is still logged."""

    def broken(request: ModelCall) -> ModelReply:
        raise ConfigurationError("no credentials any more")

    world = World()
    put_catalog(world.tables, TITLES)
    world.model = ScriptedModel(
        world.clock,
        {title_id(1): [ErrorClass.READ_TIMEOUT] * 2, title_id(2): [broken]},
        latency_seconds=lambda request: 900.0 if f"manga_id: {title_id(2)}" in request.prompt.user else 1.0,
    )
    world.plan()
    with pytest.raises(ConfigurationError, match="no credentials any more"):
        world.invoke(COMBINED)
    sent = [row["manga_id"] for row in world.rows(results_key("run-1", COMBINED, BUCKET)) if row["attempt"]]
    assert sent == [title_id(1), title_id(1), title_id(2)]
    assert world.model.closed
    assert world.ledger.claimed == {}


def test_out_of_budget_the_rest_is_deferred_and_nothing_is_overspent() -> None:
    world = world_with()
    world.plan()
    world.invoke(COMBINED)
    one = spent_micro_usd(world) // len(TITLES)
    cap = FIRST_CALL_MICRO_USD + 2 * one
    tight = World(settings=open_budget_settings(caps=Caps(per_day_micro_usd=cap)))
    put_catalog(tight.tables, TITLES)
    tight.plan()
    report = tight.invoke(COMBINED)
    assert report.outcomes["deferred"] + report.outcomes["succeeded"] == len(TITLES)
    assert report.error_classes == {"budget": report.outcomes["deferred"]}
    assert 0 < spent_micro_usd(tight) <= cap


def test_what_a_killed_run_had_set_aside_is_free_again_and_what_it_spent_is_counted() -> None:
    world = world_with()
    lease_until = world.clock.now() + timedelta(seconds=120)
    world.budget.reserve([BudgetScope(DAY, 10**9)], "dead-run:full_enrichment:0", 5_000, lease_until)
    world.budget.spend("dead-run:full_enrichment:0", 700)
    world.clock.advance(121 + MOST_CLOCK_SKEW.total_seconds())
    world.plan()
    report = world.invoke(COMBINED)
    assert spent_micro_usd(world) == report.cost_micro_usd + 700


def test_what_a_live_run_has_set_aside_stays_so() -> None:
    world = world_with()
    lease_until = world.clock.now() + timedelta(seconds=120)
    world.budget.reserve([BudgetScope(DAY, 10**9)], "live-run:full_enrichment:0", 5_000, lease_until)
    world.plan()
    report = world.invoke(COMBINED)
    assert world.budget.spent(DAY) == (report.cost_micro_usd + 5_000, report.cost_micro_usd)


def test_a_permanent_refusal_of_the_model_stops_the_analysis_and_says_why() -> None:
    world = world_with(otherwise=ErrorClass.ACCESS_DENIED)
    world.plan()
    report = world.invoke(COMBINED)
    assert (report.stopped_by, report.stopped_message) == ("access_denied", "scripted access_denied")
    assert set(report.error_classes) <= {"access_denied", "stopped"}
    assert sum(report.outcomes.values()) == len(TITLES)


def test_long_work_says_how_far_it_is_every_ten_seconds() -> None:
    world = world_with()
    world.model = ScriptedModel(world.clock, latency_seconds=35.0)
    world.plan()
    said: list[str] = []
    world.invoke(COMBINED, say=said.append)
    assert len(said) == 4, "the first goes alone for ten seconds, then the others"
    held = "held by the model, which has not answered yet"
    assert said[2].startswith(f"{COMBINED}: 0 of {len(TITLES)} titles, 0.0 a second; {held}; 0 answered")


def said_of(world: World) -> str:
    """The last that long work said."""
    world.plan()
    said: list[str] = []
    world.invoke(COMBINED, say=said.append)
    assert said
    return "\n".join(said)


def test_progress_says_that_calls_wait_for_a_quota_and_at_what_pace() -> None:
    world = world_with()
    world.settings = open_budget_settings(requests_per_minute=4)
    said = said_of(world)
    assert "held by the quota: " in said
    assert " calls wait for their turn at 0.1 calls a second" in said


def test_progress_says_that_the_service_refuses_everything() -> None:
    world = world_with()
    world.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    world.settings = InvokeSettings(EngineSettings(concurrency=8, deadline_seconds=60, claim_seconds=60))
    said = said_of(world)
    assert "held by the service, which refuses everything: the next call leaves in " in said
    assert "the quota refused " in said


def test_progress_says_that_the_store_is_away() -> None:
    world = world_with()
    world.model = ScriptedModel(world.clock, latency_seconds=5.0)
    world.plan()
    world.ledger.failures_left = 10  # with pauses that double, for more than ten seconds
    said: list[str] = []
    world.invoke(COMBINED, say=said.append)
    assert "held by DynamoDB, which does not answer" in "\n".join(said)


steps = st.sampled_from(
    [
        None,
        ErrorClass.THROTTLED,
        ErrorClass.SERVICE_UNAVAILABLE,
        ErrorClass.READ_TIMEOUT,
        ErrorClass.TRUNCATED_ANSWER,
        ErrorClass.INVALID_REQUEST,
        ErrorClass.REFUSAL,
        {"not": "what was asked for"},
    ]
)
scripts = st.dictionaries(st.sampled_from([title.manga_id for title in TITLES]), st.lists(steps, max_size=5))


@given(scripts)
@settings(max_examples=25)
@pytest.mark.slow
def test_whatever_the_model_does_every_title_is_accounted_for_and_every_cent_is_logged(
    script: dict[str, list[Step]],
) -> None:
    world = world_with(script)
    put_catalog(world.tables, [*TITLES, bare_record(7)])
    world.run("run-1")
    world.run("run-2")
    for name in SINGLES:
        outcomes = world.outcomes(name)
        answered = {manga_id for manga_id, row in outcomes.items() if row["outcome"] == Outcome.SUCCEEDED.value}
        assert set(outcomes) == {title.manga_id for title in [*TITLES, bare_record(7)]}
        assert answered == set(world.answers(name))
        assert all(row["error_class"] for row in outcomes.values() if row["outcome"] in {"failed", "deferred"})
    attempts = [row for row in world.log() if row["attempt"] > 0]
    assert len(attempts) == len(world.model.sent)
    assert sum(row["cost_micro_usd"] for row in attempts) == spent_micro_usd(world)
