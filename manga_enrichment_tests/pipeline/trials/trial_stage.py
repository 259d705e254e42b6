"""A catalog in memory with today's answers, and what a trial of it takes.

Belongs here: what the tests of trials share. Stays out: the world itself (`manga_enrichment_tests/builders.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment.domain.trials.contenders import TODAY, Contender
from manga_enrichment.domain.trials.report import TrialReport
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.engine.money.estimates import prefix_tokens
from manga_enrichment.pipeline.trials.run import TrialQuestion, Trials
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import MODELS, World, put_catalog, record
from manga_enrichment_tests.scripted_model import prompt_fields_of, valid_answer

LEVEL = "reading_level"
TITLES = 12
KINDS = ("shounen", "seinen", "josei")
NAMED_LIKE_ITS_FILE = replace(ANALYSES[LEVEL], version="2", instructions="Judge by the cover alone.")


def said_level(call: ModelCall) -> ModelReply:
    """`adult` under the changed instructions for every third title, else what any prompt gets; billed by its length."""
    answer = dict(valid_answer(call.prompt))
    number = int(prompt_fields_of(call.prompt)["manga_id"].rsplit("-", 1)[1])
    if "cover" in call.prompt.system and number % 3 == 0:
        answer |= {"level": "adult", "min_age": 16}
    read = prefix_tokens(call.prompt.system, call.prompt.tool_description, json.dumps(call.prompt.tool_schema))
    return ModelReply("tool_use", answer, Usage(round(estimate_tokens(call.prompt.user) * 1.3), 60, round(read * 1.3)))


class TrialStage:
    """A catalog of twelve titles, all with a reading level but for those in `unanswered`."""

    def __init__(self, titles: int = TITLES, selected: Sequence[str] = (LEVEL,)) -> None:
        self.world = World()
        self.world.model._otherwise = said_level  # noqa: SLF001
        put_catalog(self.world.tables, [record(n, demographics=(KINDS[n % 3],)) for n in range(1, titles + 1)])
        self.world.run(selected=selected)
        self.asked_before = len(self.world.model.sent)
        self.said: list[str] = []

    @property
    def asked(self) -> int:
        """Calls since the night."""
        return len(self.world.model.sent) - self.asked_before

    def trials(self) -> Trials:
        world = self.world
        gateways = InvokeGateways(world.ledger, world.budget, world.senders, world.open_model, world.clock)
        return Trials(world.tables, gateways, world.settings, ANALYSES, 1, self.said.append)

    def today(self, name: str = LEVEL) -> Contender:
        return Contender(TODAY, ANALYSES[name], MODELS.resolve("haiku"))

    def question(self, *contenders: Contender, titles: int = 6, **changes: Any) -> TrialQuestion:
        values: dict[str, Any] = {"seed": 1, "cap_micro_usd": 10_000_000, **changes}
        return TrialQuestion(self.today(), contenders, titles, **values)

    def tried(self, question: TrialQuestion, execution: str = "1") -> TrialReport:
        trials = self.trials()
        return trials.run(question, trials.plan(question), execution)


def prompt_variant(analysis: AnalysisType = NAMED_LIKE_ITS_FILE, name: str = "by the cover") -> Contender:
    return Contender(name, analysis, MODELS.resolve("haiku"))


def other_model(alias: str = "sonnet") -> Contender:
    return Contender(alias, ANALYSES[LEVEL], MODELS.resolve(alias))


def levels(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {manga_id: row["reading_level"] for manga_id, row in rows.items()}
