"""The InvokeModel operation with a Claude body: its JSON to a `ModelRequest`, a `Reply` to its JSON.

Belongs here: names and shapes of the messages format. Stays out: what a model allows (`checks.py`).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.local.model_server.protocol.model_request import (
    ModelRequest,
    Prefix,
    Reply,
    Tool,
    ToolChoice,
    Turn,
    prompt_digest,
)
from manga_enrichment.local.model_server.protocol.validation import (
    expect_fraction,
    expect_input_schema,
    expect_list,
    expect_name,
    expect_object,
    expect_positive_integer,
    expect_text,
    invalid,
)

ANTHROPIC_VERSION = "bedrock-2023-05-31"
_BODY_KEYS = frozenset(
    [
        "anthropic_version",
        "anthropic_beta",
        "max_tokens",
        "messages",
        "system",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tools",
        "tool_choice",
        "metadata",
        "thinking",
        "output_config",
    ]
)
_STOP_REASONS = {"content_filtered": "refusal"}


def parse(model_id: str, body: Any) -> ModelRequest:
    """The call that a Claude body asks for. Raises ServiceError (ValidationException)."""
    body = expect_object(body, "#", _BODY_KEYS)
    if body.get("anthropic_version") != ANTHROPIC_VERSION:
        raise invalid(f"anthropic_version must be {ANTHROPIC_VERSION}")
    prefix = Prefix()
    tools = tuple(
        _tool(tool, f"tools.{index}", prefix) for index, tool in enumerate(expect_list(body.get("tools", []), "tools"))
    )
    choice, forced = _tool_choice(body.get("tool_choice"), bool(tools))
    _system(body.get("system"), prefix)
    messages = expect_list(body.get("messages"), "messages")
    return ModelRequest(
        digest=prompt_digest(model_id, body),
        prefix=prefix,
        turns=tuple(_turn(message, f"messages.{index}", prefix) for index, message in enumerate(messages)),
        tools=tools,
        tool_choice=choice,
        forced_tool=forced,
        max_tokens=expect_positive_integer(body.get("max_tokens"), "max_tokens"),
        sampling=_sampling(body),
    )


def render(model_id: str, request: ModelRequest, reply: Reply, usage: Usage, _latency_ms: int) -> dict[str, Any]:
    """The body of a successful InvokeModel response."""
    digest = request.digest.hex()[:24]
    if reply.tool_input is not None:
        content: dict[str, Any] = {
            "type": "tool_use",
            "id": f"toolu_bdrk_{digest}",
            "name": reply.tool_name,
            "input": reply.tool_input,
        }
    else:
        content = {"type": "text", "text": reply.text or ""}
    return {
        "id": f"msg_bdrk_{digest}",
        "type": "message",
        "role": "assistant",
        "model": model_id,
        "content": [content],
        "stop_reason": _STOP_REASONS.get(reply.stop_reason, reply.stop_reason),
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cache_read_tokens,
            "output_tokens": usage.output_tokens,
        },
    }


def _tool(tool: Any, where: str, prefix: Prefix) -> Tool:
    tool = expect_object(
        tool, where, frozenset({"name", "description", "input_schema", "cache_control", "type", "strict"})
    )
    schema = expect_input_schema(tool.get("input_schema"), f"{where}.input_schema")
    name = expect_name(tool.get("name"), f"{where}.name")
    prefix.add(f"{name} {tool.get('description') or ''} {orjson.dumps(schema).decode()}")
    _mark(tool, prefix)
    return Tool(name, schema)


def _tool_choice(choice: Any, has_tools: bool) -> tuple[ToolChoice, str | None]:
    if choice is None:
        return ("auto" if has_tools else "none"), None
    choice = expect_object(choice, "tool_choice", frozenset({"type", "name", "disable_parallel_tool_use"}))
    if not has_tools:
        raise invalid("tool_choice may only be specified while providing tools")
    match choice.get("type"):
        case "auto" | "any" | "none" as kind:
            return kind, None
        case "tool":
            return "tool", expect_name(choice.get("name"), "tool_choice.name")
    raise invalid("tool_choice.type must be one of auto, any, tool, none")


def _system(system: Any, prefix: Prefix) -> None:
    if system is None:
        return
    if isinstance(system, str):
        prefix.add(expect_text(system, "system"))
        return
    for index, block in enumerate(expect_list(system, "system")):
        block = expect_object(block, f"system.{index}", frozenset({"type", "text", "cache_control"}))  # noqa: PLW2901
        prefix.add(expect_text(block.get("text"), f"system.{index}.text"))
        _mark(block, prefix)


def _turn(message: Any, where: str, prefix: Prefix) -> Turn:
    message = expect_object(message, where, frozenset({"role", "content"}))
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts: list[str] = []
    tool_uses: list[str] = []
    tool_results: list[str] = []
    for index, block in enumerate(expect_list(blocks, f"{where}.content")):
        here = f"{where}.content.{index}"
        match expect_object(block, here).get("type"):
            case "text":
                texts.append(expect_text(block.get("text"), f"{here}.text"))
            case "tool_use":
                tool_uses.append(expect_name(block.get("id"), f"{here}.id"))
                given = expect_object(block.get("input"), f"{here}.input")
                texts.append(f"{block.get('name')} {orjson.dumps(given).decode()}")
            case "tool_result":
                tool_results.append(expect_name(block.get("tool_use_id"), f"{here}.tool_use_id"))
                texts.append(_tool_result(block.get("content", ""), here))
            case _:
                raise invalid(f"{here}: the offline server reads text, tool_use and tool_result only")
        prefix.add(texts[-1])
        _mark(block, prefix)
    return Turn(str(message.get("role")), "\n".join(texts), tuple(tool_uses), tuple(tool_results))


def _tool_result(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    blocks = [expect_object(block, f"{where}.content") for block in expect_list(content, f"{where}.content")]
    return "\n".join(str(block.get("text", "")) for block in blocks)


def _mark(block: Mapping[str, Any], prefix: Prefix) -> None:
    if block.get("cache_control"):
        prefix.mark()


def _sampling(body: Mapping[str, Any]) -> tuple[str, ...]:
    for name in ("temperature", "top_p"):
        if name in body:
            expect_fraction(body[name], name)
    return tuple(name for name in ("temperature", "top_p", "top_k") if name in body)
