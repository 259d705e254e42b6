"""A FoundationModel that says what a test wants, and answers validly where the test says nothing.

It reads the prompt as a model would (`manga_id: ...`, the candidates), so that its answers fit any title.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.analyses.packaged.content_summary import MOSTLY_JAPANESE
from manga_enrichment.domain.analyses.packaged.reading_level import BASIS_FIELDS
from manga_enrichment.domain.analyses.text import japanese_share
from manga_enrichment.domain.models.guardrails import Guarding
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment_tests.analyses import FOR_PARTNERS

DEFAULT_USAGE = Usage(input_tokens=900, output_tokens=150)

Step = ErrorClass | ModelError | ModelReply | Mapping[str, Any] | Callable[[ModelCall], ModelReply] | None
"""What one attempt brings: an error to raise, a reply, the JSON of an answer, a function that gives the reply (or
raises), or None for a valid answer."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as the model saw it. attempt counts from 1 per analysis and title; at is monotonic seconds."""

    manga_id: str
    analysis: str
    attempt: int
    at: float
    request: ModelCall


class ScriptedModel:
    """Takes each title's steps from `script` (by manga_id), then does `otherwise`.

    sent            every request, in order of arrival
    max_in_flight   the most requests that were open at once
    reachable       False: check_reachable finds nothing there
    refreshes       how often credentials were refreshed
    """

    def __init__(
        self,
        clock: Clock,
        script: Mapping[str, Sequence[Step]] | None = None,
        *,
        otherwise: Step = None,
        latency_seconds: float | Callable[[ModelCall], float] = 0.0,
        usage: Usage = DEFAULT_USAGE,
    ) -> None:
        self._clock = clock
        self._script = dict(script or {})
        self._otherwise = otherwise
        self._latency_seconds = latency_seconds
        self.usage = usage
        self._attempts: Counter[tuple[str, str]] = Counter()
        self.sent: list[Sent] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.refreshes = 0
        self.reachable = True
        self.closed = False

    async def converse(self, call: ModelCall) -> ModelReply:
        step = self._arrived(call)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            latency = self._latency_seconds
            await self._clock.sleep(latency(call) if callable(latency) else latency)
            return self._play(step, call)
        finally:
            self.in_flight -= 1

    async def check_reachable(self, within_seconds: float = math.inf) -> None:
        if not self.reachable:
            raise ModelError(ErrorClass.CONNECTION, "Bedrock cannot be reached at nowhere: check AWS_DEFAULT_REGION")

    async def refresh_credentials(self) -> None:
        self.refreshes += 1
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.closed = True

    def attempts_for(self, manga_id: str) -> int:
        """Requests sent for a title, over all analyses."""
        return sum(1 for sent in self.sent if sent.manga_id == manga_id)

    def _arrived(self, call: ModelCall) -> Step:
        manga_id = prompt_fields_of(call.prompt).get("manga_id", "")
        analysis = call.prompt.tool_name.removeprefix("record_")
        self._attempts[analysis, manga_id] += 1
        attempt = self._attempts[analysis, manga_id]
        self.sent.append(Sent(manga_id, analysis, attempt, self._clock.monotonic_seconds(), call))
        steps = self._script.get(manga_id, ())
        return steps[attempt - 1] if attempt <= len(steps) else self._otherwise

    def _play(self, step: Step, call: ModelCall) -> ModelReply:
        if isinstance(step, ErrorClass):
            raise ModelError(step, f"scripted {step.value}")
        if isinstance(step, ModelError):
            raise ModelError(step.error_class, step.message, retry_after_seconds=step.retry_after_seconds)
        if isinstance(step, ModelReply):
            return step
        if callable(step):
            return step(call)
        answer = valid_answer(call.prompt) if step is None else step
        if call.guardrail is not None:
            text = str(answer.get(call.text_field, ""))
            return ModelReply("end_turn", {call.text_field: text}, self.usage, text, Guarding({"content": 2}))
        return ModelReply("tool_use", answer, self.usage)


def prompt_fields_of(prompt: Prompt) -> dict[str, str]:
    """The fields of the title block, by name; further lines of a field are indented. Empty where there is none."""
    if "<title>\n" not in prompt.user:
        return {}
    block = prompt.user.split("<title>\n", 1)[1].split("\n</title>", 1)[0]
    return dict(line.split(": ", 1) for line in re.split(r"\n(?! )", block))


def valid_answer(prompt: Prompt) -> dict[str, Any]:
    """An answer that passes the schema and the checks of the analysis that is asked for."""
    if prompt.tool_name == CONVERSATION.tool_name:
        return {"reply": "The one with the lighthouse."}
    analysis = FOR_PARTNERS[prompt.tool_name.removeprefix("record_")]
    if analysis.parts:
        return {part: _ANSWERS[part](prompt) for part in analysis.parts}
    return _ANSWERS[analysis.name](prompt)


def _genres(_prompt: Prompt) -> dict[str, Any]:
    genres = [{"genre": "drama", "confidence": 0.9}, {"genre": "slice_of_life", "confidence": 0.6}]
    return {"primary_genre": "drama", "genres": genres, "themes": ["friendship"]}


def _summary(prompt: Prompt) -> dict[str, Any]:
    is_japanese = japanese_share(prompt_fields_of(prompt).get("synopsis", "")) >= MOSTLY_JAPANESE
    return {
        "summary_en": "Two friends keep a small shop open.",
        "summary_ja": "友人二人が小さな店を守る。" if is_japanese else None,
        "contains_spoilers": False,
        "content_warnings": [],
    }


def _similar(prompt: Prompt) -> dict[str, Any]:
    block = prompt.user.split("<candidates>\n", 1)[1].split("\n</candidates>", 1)[0]
    ids = [line.split(" | ", 1)[0] for line in block.splitlines()][:3]
    scored = zip(ids, (0.9, 0.7, 0.5), strict=False)
    return {"similar": [{"manga_id": each, "score": score, "reason": "Both are quiet."} for each, score in scored]}


def _reading_level(prompt: Prompt) -> dict[str, Any]:
    given = prompt_fields_of(prompt)
    basis = next((name for name, fields in BASIS_FIELDS.items() if any(field in given for field in fields)), "synopsis")
    return {"level": "teen", "min_age": 12, "basis": basis, "confidence": 0.7}


def _moderation(prompt: Prompt) -> dict[str, Any]:
    quote = prompt_fields_of(prompt)["title"]
    found = {"category": "violence", "severity": "mild", "evidence": [{"field": "title", "quote": quote}]}
    reasons = ["Its title alone says what is in it."]
    return {"categories": [found], "age_gate": 12, "verdict": "age_gate", "reasons": reasons, "confidence": 0.4}


_ANSWERS: dict[str, Callable[[Prompt], dict[str, Any]]] = {
    "genre_classification": _genres,
    "content_summary": _summary,
    "similar_series": _similar,
    "reading_level": _reading_level,
    "content_moderation": _moderation,
}
