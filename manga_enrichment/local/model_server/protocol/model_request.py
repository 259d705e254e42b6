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
StopReason = Literal["end_turn", "tool_use", "max_tokens", "content_filtered"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: who spoke, the text of all its blocks, and the ids of its tool uses and results."""

    role: str
    text: str
    tool_uses: tuple[str, ...] = ()
    tool_results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call; schema is the JSON Schema of its input."""

    name: str
    schema: Mapping[str, Any]


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
    """What the model says: text or one tool use, why it stopped, and how many tokens that took."""

    stop_reason: StopReason
    output_tokens: int
    text: str | None = None
    tool_name: str = ""
    tool_input: Mapping[str, Any] | None = None


def prompt_digest(model_id: str, body: Mapping[str, Any]) -> bytes:
    """Identity of a prompt: equal for equal bodies, whatever the order of their keys.

    `requestMetadata` labels a call and never reaches the model, so it stays out.
    """
    prompt = {key: value for key, value in body.items() if key != "requestMetadata"}
    canonical = orjson.dumps(prompt, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(model_id.encode() + b"\n" + canonical).digest()
