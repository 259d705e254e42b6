"""A foundation model that answers prompts, one call at a time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.analyses.validation import readable_answer, shaped_answer
from manga_enrichment.domain.models.guardrails import Guarding, Guardrail
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Repair:
    """A second chance after an answer that broke the schema: what was said and what is wrong with it."""

    answer: Mapping[str, Any]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One attempt of a call: what is sent.

    max_tokens overrides the prompt's own limit after a `max_tokens` stop. cache_prefix asks for prompt caching of what
    is the same for every title. guardrail: looks at question and reply; it looks at no tool's input, so with one the
    answer comes as text.
    """

    model: ModelSpec
    prompt: Prompt
    max_tokens: int
    repair: Repair | None = None
    cache_prefix: bool = False
    guardrail: Guardrail | None = None

    @property
    def text_field(self) -> str:
        """The field of the answer that comes as plain text; "" where the answer comes through the tool."""
        return str(self.prompt.tool_schema["required"][0]) if self.guardrail is not None else ""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A complete reply. answer is None when the model gave no JSON object. guarding: None without a guardrail.

    service_tier: that served the call, as the reply says; "" where it says nothing.
    found: all that may be the answer, as it came, likeliest first; () where that is `answer` alone.

    Whatever a model says, no reply holds an answer that breaks the rule for text: what nobody should see is taken out
    as the reply is made, so that judging, repairing and keeping an answer look at the same one in every lane.
    """

    stop_reason: str
    answer: Mapping[str, Any] | None
    usage: Usage
    text: str = ""
    guarding: Guarding | None = None
    service_tier: str = ""
    found: tuple[Any, ...] = field(default=(), compare=False)

    def shaped_for(self, analysis: AnalysisType) -> "ModelReply":
        """The same reply with the answer that fits the analysis, as far as it holds one."""
        answer = shaped_answer(analysis, self.found if self.answer is None else (self.answer, *self.found))
        return self if answer is self.answer else replace(self, answer=answer)

    def __post_init__(self) -> None:
        if self.answer is not None:
            object.__setattr__(self, "answer", readable_answer(self.answer))


class FoundationModel(Protocol):
    """A model that answers prompts."""

    async def converse(self, call: ModelCall) -> ModelReply:
        """One attempt, never retried below this line.

        Raises ModelError, classified, when no complete reply with usage came.
        """
        ...

    async def check_reachable(self, within_seconds: float = math.inf) -> None:
        """Raises ModelError (`connection`) when nothing has answered at the endpoint for a while; bills nothing.

        within_seconds: how long the caller can wait for that at most.

        Asked once before the first call. Whether the endpoint is away or wrong nobody can tell so soon: the op is tried
        again, and the sentence says what to look at if it never answers.
        """
        ...

    async def refresh_credentials(self) -> None: ...

    async def close(self) -> None: ...
