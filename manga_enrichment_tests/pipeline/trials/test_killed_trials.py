"""A trial that is killed at any of its calls to a store goes on when it is run again, and its books hold."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.trials.run import Trials
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal
from manga_enrichment_tests.pipeline.trials.trial_stage import TrialStage, other_model, prompt_variant

TITLES, CONCURRENCY = 20, 4


class Killable(TrialStage):
    """Its stores die with its process. Calls take a second, so that some are always at the model."""

    def __init__(self) -> None:
        super().__init__(titles=TITLES)
        engine = replace(self.world.settings.engine, concurrency=CONCURRENCY)
        self.world.settings = replace(self.world.settings, engine=engine)
        self.world.model._latency_seconds = 1.0  # noqa: SLF001
        self.switch = KillSwitch()

    def trials(self) -> Trials:
        world = self.world
        tables, ledger, budget = (Mortal(each, self.switch) for each in (world.tables, world.ledger, world.budget))
        gateways = InvokeGateways(ledger, budget, world.senders, world.open_model, world.clock)  # type: ignore[arg-type]
        anything: Any = tables
        return Trials(anything, gateways, world.settings, ANALYSES, 1, self.said.append)

    @property
    def answered(self) -> int:
        """Answers of trials that the ledger has."""
        return sum(entry.provenance.trigger == "trial" for entry in self.world.ledger.entries.values())


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("calls", [0, 3, 6, 9, 12, 15, 20, 25, 30])
def test_run_again_it_asks_what_is_left_and_books_hold(calls: int, after_effect: bool) -> None:
    stage = Killable()
    question = stage.question(prompt_variant(), other_model(), titles=10)
    bill = len(stage.world.model.sent)
    with suppress(Killed):
        trials = stage.trials()
        planned = trials.plan(question)
        stage.switch.arm(calls, after_effect=after_effect)
        trials.run(question, planned, "1")
    was_killed = stage.switch.dead
    kept, asked = stage.answered, stage.asked
    stage.switch.revive()
    stage.world.clock.advance(600)  # leases and claims of the dead run out

    report = stage.tried(question, "2")

    assert report.stopped == ""
    assert stage.answered == 20
    assert stage.asked - asked == 20 - kept, "nothing that is in the ledger is asked again"
    assert [each.outcomes for each in report.standings[1:]] == [{"succeeded": 10}, {"succeeded": 10}]
    rows = [row for row in stage.world.log() if row["trigger"] == "trial"]
    sure = sum(row["cost_micro_usd"] for row in rows if not row["maybe_billed"])
    assert sure == sum(
        entry.cost_micro_usd - sum(each.cost_micro_usd for each in entry.attempts if each.maybe_billed)
        for entry in stage.world.ledger.entries.values()
        if entry.provenance.trigger == "trial"
    )
    lost = asked - kept
    assert sum(row["maybe_billed"] for row in rows) >= lost
    assert was_killed or lost == 0
    assert len(stage.world.model.sent) - bill == stage.asked
