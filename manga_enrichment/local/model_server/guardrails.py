"""What a guardrail does about a call: a stand-in that knows words, not meanings.

Belongs here: the switches, looking at texts, the trace and the bill of it. Stays out: HTTP (`calls.py`), where a body
names a guardrail (`protocol/converse.py`). Any guardrail exists; what all of them keep back or mask is set by
PUT /_control/faults, so that a test knows. They look at texts alone, as the service does: never at a tool's input.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from manga_enrichment.domain.models.guardrails import UNIT_CHARACTERS
from manga_enrichment.local.model_server.protocol.model_request import Reply

BLOCKED_QUESTION = "The guardrail does not let this question pass."
BLOCKED_REPLY = "The guardrail does not let this reply pass."
MASK = "{NAME}"
_WIRE = {
    "topic": "topicPolicyUnits",
    "content": "contentPolicyUnits",
    "word": "wordPolicyUnits",
    "sensitive_information": "sensitiveInformationPolicyUnits",
    "sensitive_information_free": "sensitiveInformationPolicyFreeUnits",
    "contextual_grounding": "contextualGroundingPolicyUnits",
}
Policy = Literal[
    "topic", "content", "word", "sensitive_information", "sensitive_information_free", "contextual_grounding"
]
Word = Annotated[str, Field(min_length=1)]


class GuardrailSwitches(BaseModel):
    """blocks, masks: words, in any case. policies: those that the guardrail has. traces: whether it tells its units."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    blocks: list[Word] = []
    masks: list[Word] = []
    policies: list[Policy] = ["content"]
    traces: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a question or a reply. text: what is let through; action: "", BLOCKED or ANONYMIZED."""

    text: str
    action: str
    units: Mapping[str, int]

    @property
    def is_blocked(self) -> bool:
        return self.action == "BLOCKED"


@dataclass(frozen=True, slots=True)
class Guarded:
    """Both looks at one call; None for the one that was not taken."""

    question: Look
    reply: Look | None = None

    @property
    def units(self) -> dict[str, int]:
        looks = [look for look in (self.question, self.reply) if look is not None]
        return {policy: sum(look.units[policy] for look in looks) for policy in self.question.units}

    def trace(self, identifier: str) -> dict[str, Any]:
        """As the service renders it."""
        told: dict[str, Any] = {"inputAssessment": {identifier: _assessment(self.question)}}
        if self.reply is not None:
            told["outputAssessments"] = {identifier: [_assessment(self.reply)]}
        return {"trace": {"guardrail": told}}


def look_at(texts: Sequence[str], switches: GuardrailSwitches) -> Look:
    """texts: those that are to be looked at."""
    text = "\n".join(texts)
    count = math.ceil(max(len(text), 1) / UNIT_CHARACTERS)
    units: dict[str, int] = dict.fromkeys(switches.policies, count)
    if any(word.lower() in text.lower() for word in switches.blocks):
        return Look("", "BLOCKED", units)
    masked = text
    if switches.masks:
        masked = re.sub("|".join(map(re.escape, switches.masks)), MASK, text, flags=re.IGNORECASE)
    return Look(masked, "ANONYMIZED" if masked != text else "", units)


def question_kept_back() -> Reply:
    """The model is not asked."""
    return Reply("guardrail_intervened", 0, BLOCKED_QUESTION)


def let_through(reply: Reply, guarded: Guarded) -> Reply:
    """What of the reply its reader gets; the model has done its work."""
    look = guarded.reply
    if look is None or not (look.action or guarded.question.action):
        return reply
    return replace(reply, stop_reason="guardrail_intervened", text=BLOCKED_REPLY if look.is_blocked else look.text)


def _assessment(look: Look) -> dict[str, Any]:
    usage = {name: look.units.get(policy, 0) for policy, name in _WIRE.items()}
    found: dict[str, Any] = {"invocationMetrics": {"guardrailProcessingLatency": 1, "usage": usage}}
    if look.is_blocked:
        found["contentPolicy"] = {"filters": [{"type": "VIOLENCE", "confidence": "HIGH", "action": look.action}]}
    elif look.action:
        entity = {"match": MASK, "type": "NAME", "action": look.action}
        found["sensitiveInformationPolicy"] = {"piiEntities": [entity], "regexes": []}
    return found
