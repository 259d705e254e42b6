"""What a call is: from inputs to identity, prompt and estimate, in this one place.

Belongs here: which of these follows from which, worked out when it is first wanted. Stays out: the text of a prompt
(`domain/prompts/prompt.py`), what an answer depends on (`domain/prompts/fingerprint.py`), which calls are missing
(`pipeline/enrichment/planner.py`, `pipeline/partner/plan_run.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate, TitleInputs
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.guardrails import Guardrail
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.prompts.conversations import (
    CATALOG_CONVERSATION,
    CONVERSATION,
    Turn,
    conversation_fingerprint,
    conversation_inputs,
    conversation_prompt,
)
from manga_enrichment.domain.prompts.fingerprint import fingerprint
from manga_enrichment.domain.prompts.prompt import Prompt, build_prompt
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate, estimate_call


class Question:
    """What one analysis asks a model about one title.

    Most questions are only asked for their fingerprint, and most titles of a real catalog have too little text even
    for that: nothing is worked out before it is wanted.
    """

    def __init__(
        self, analysis: AnalysisType, model: ModelSpec, inputs: TitleInputs, calibration: Calibration | None = None
    ) -> None:
        """calibration: what earlier calls of this analysis and model were billed; None: rules of thumb."""
        self.analysis = analysis
        self.model = model
        self.inputs = inputs
        self.guardrail: Guardrail | None = None
        self._calibration = calibration

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.analysis, self.model, self.inputs)

    @cached_property
    def prompt(self) -> Prompt:
        return build_prompt(self.analysis, self.inputs, self.model)

    @cached_property
    def estimate(self) -> CallEstimate:
        return estimate_call(self.analysis, self.model, self.prompt, self._calibration)

    @property
    def cost_micro_usd(self) -> int:
        return self.estimate.cost_micro_usd(self.model)


class ConversationQuestion(Question):
    """The last message of a partner's conversation; it is one request's own."""

    def __init__(
        self,
        request_id: str,
        schema: str,
        body: Mapping[str, Any],
        history: Sequence[Turn],
        model: ModelSpec,
        titles: Sequence[Candidate] | None = None,
        guardrail: Guardrail | None = None,
    ) -> None:
        """body: valid and normalised. history: turns before it, oldest first. titles: see `conversation_prompt`."""
        analysis = CONVERSATION if titles is None else CATALOG_CONVERSATION
        super().__init__(analysis, model, conversation_inputs(request_id, titles or ()))
        self.guardrail = guardrail
        self._titles = titles
        self._request_id = request_id
        self._schema = schema
        self._body = body
        self._history = history

    @cached_property
    def fingerprint(self) -> str:
        return conversation_fingerprint(self._request_id)

    @cached_property
    def prompt(self) -> Prompt:
        return conversation_prompt(self._schema, self._body, self._history, self.model, self._titles)

    @cached_property
    def estimate(self) -> CallEstimate:
        tokens = estimate_call(self.analysis, self.model, self.prompt)
        if self.guardrail is None:
            return tokens
        took = self.guardrail.estimate_micro_usd(self.prompt.guarded, tokens.output_tokens)
        return replace(tokens, guardrail_micro_usd=took)


def build_call(question: Question, bucket: str, why: str = "") -> Call:
    """The question, ready for the engine. bucket: where its title lies in the catalog. why: it is asked."""
    return Call(
        fingerprint=question.fingerprint,
        bucket=bucket,
        analysis=question.analysis,
        model=question.model,
        inputs=question.inputs,
        prompt=question.prompt,
        estimate=question.estimate,
        guardrail=question.guardrail,
        why=why,
    )
