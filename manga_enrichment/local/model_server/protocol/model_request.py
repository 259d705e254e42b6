"""One model call without its wire format: what was asked, and what is replied.

Belongs here: `ModelRequest`, `Reply` and their pieces. Stays out: JSON (`converse.py`, `claude_messages.py`)
and the work (`local/model_server/answers/answering.py`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import orjson

from manga_enrichment.local.model_server.protocol.tokens import count_tokens, framing_tokens

ToolChoice = Literal["none", "auto", "any", "tool"]
StopReason = Literal[
    "end_turn",
    "tool_use",
    "max_tokens",
    "content_filtered",
    "guardrail_intervened",
    "malformed_tool_use",
    "malformed_model_output",
]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: who spoke, the text of all its blocks, and the ids of its tool uses and results.

    guarded: those of its texts that are marked for a guardrail.
    """

    role: str
    text: str
    tool_uses: tuple[str, ...] = ()
    tool_results: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call; schema is the JSON Schema of its input, strict whether that is to be held to."""

    name: str
    schema: Mapping[str, Any]
    strict: bool = False


@dataclass(frozen=True, slots=True)
class GuardrailAsked:
    """The guardrail that a call names. traced: it is to tell of itself."""

    identifier: str
    traced: bool


@dataclass(slots=True)
class Prefix:
    """The prompt in the order the service caches it: tools, system, messages.

    texts         every piece of text that counts as input
    cache_points  how many texts lie before each cache point, ascending
    """

    texts: list[str] = field(default_factory=list)
    cache_points: list[int] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.texts.append(text)

    def mark(self) -> None:
        self.cache_points.append(len(self.texts))


@dataclass(frozen=True)
class ModelRequest:
    """One call.

    digest         sha256 of model id and canonical body: the identity of the prompt
    forced_tool    name of the tool that toolChoice names, None for other choices
    answer_schema  JSON Schema of a structured *text* answer, None when none was asked for
    max_tokens     output limit; None means the model's own
    sampling       names of the sampling parameters that were sent
    guardrail      that looks at it, None without one
    service_tier   that the call asks for; "" for the default one
    guarded        texts that it is to look at: those that are marked, else all of the messages
    """

    digest: bytes
    prefix: Prefix
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "none"
    forced_tool: str | None = None
    answer_schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    sampling: tuple[str, ...] = ()
    guardrail: GuardrailAsked | None = None
    guarded: tuple[str, ...] = ()
    service_tier: str = ""

    @cached_property
    def input_tokens(self) -> int:
        framing = framing_tokens(len(self.turns), bool(self.tools), self.tool_choice in {"any", "tool"})
        return framing + sum(map(count_tokens, self.prefix.texts))

    @property
    def repairs(self) -> bool:
        """Whether the model has answered before and is now asked again."""
        return any(turn.role == "assistant" for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says: text, one tool use or nothing, why it stopped, and how many tokens that took.

    tool_input: an object, but for a model that wraps its answers. thoughts: of a model that always thinks first.
    trace: what a guardrail tells of itself, as the response has it.
    """

    stop_reason: StopReason
    output_tokens: int
    text: str | None = None
    tool_name: str = ""
    tool_input: Any = None
    thoughts: str = ""
    trace: Mapping[str, Any] = field(default_factory=dict)


def prompt_digest(model_id: str, body: Mapping[str, Any]) -> bytes:
    """Identity of a prompt: equal for equal bodies, whatever the order of their keys.

    `requestMetadata` labels a call and never reaches the model, so it stays out.
    """
    prompt = {key: value for key, value in body.items() if key != "requestMetadata"}
    canonical = orjson.dumps(prompt, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(model_id.encode() + b"\n" + canonical).digest()
