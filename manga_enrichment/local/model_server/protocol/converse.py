"""The Converse operation: its JSON to a `ModelRequest`, a `Reply` to its JSON.

Belongs here: names and shapes of Converse. Stays out: what a model allows (`checks.py`).
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.local.model_server.protocol.model_request import (
    GuardrailAsked,
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

_GUARDRAIL_PATTERNS = {
    "guardrailIdentifier": r"[a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+",
    "guardrailVersion": r"[1-9][0-9]{0,7}|DRAFT",
}
_BODY_KEYS = frozenset(
    [
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "guardrailConfig",
        "additionalModelRequestFields",
        "promptVariables",
        "additionalModelResponseFieldPaths",
        "requestMetadata",
        "performanceConfig",
        "serviceTier",
        "outputConfig",
    ]
)
_INFERENCE_KEYS = frozenset({"maxTokens", "temperature", "topP", "stopSequences"})
_MESSAGE_KEYS = frozenset({"role", "content"})
_TOOL_CONFIG_KEYS = frozenset({"tools", "toolChoice"})
_TOOL_SPEC_KEYS = frozenset({"name", "description", "inputSchema", "strict"})


def parse(model_id: str, body: Any) -> ModelRequest:
    """The call that a Converse body asks for. Raises ServiceError (ValidationException)."""
    body = expect_object(body, "#", _BODY_KEYS)
    prefix = Prefix()
    tools, choice, forced = _tool_config(body.get("toolConfig"), prefix)
    for index, block in enumerate(expect_list(body.get("system", []), "system")):
        _system_block(block, f"system.{index}", prefix)
    messages = expect_list(body.get("messages"), "messages")
    turns = tuple(_turn(message, f"messages.{index}", prefix) for index, message in enumerate(messages))
    max_tokens, sampling = _inference(body)
    return ModelRequest(
        digest=prompt_digest(model_id, body),
        prefix=prefix,
        turns=turns,
        tools=tools,
        tool_choice=choice,
        forced_tool=forced,
        answer_schema=_text_format(body.get("outputConfig")),
        max_tokens=max_tokens,
        sampling=sampling,
        guardrail=_guardrail(body.get("guardrailConfig")),
        service_tier=_service_tier(body.get("serviceTier")),
        guarded=tuple(text for turn in turns for text in turn.guarded) or tuple(turn.text for turn in turns),
    )


def render(_model_id: str, request: ModelRequest, reply: Reply, usage: Usage, latency_ms: int) -> dict[str, Any]:
    """The body of a successful Converse response."""
    content: list[dict[str, Any]] = []
    if reply.thoughts:
        content.append({"reasoningContent": {"reasoningText": {"text": reply.thoughts}}})
    if reply.tool_input is not None:
        tool_use_id = f"tooluse_{request.digest.hex()[:22]}"
        content.append({"toolUse": {"toolUseId": tool_use_id, "name": reply.tool_name, "input": reply.tool_input}})
    elif reply.text is not None:
        content.append({"text": reply.text})
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reply.stop_reason,
        "usage": {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.input_tokens + usage.output_tokens + read + written,
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": written,
        },
        "metrics": {"latencyMs": latency_ms},
        **({"serviceTier": {"type": request.service_tier}} if request.service_tier else {}),
        **reply.trace,
    }


def _guardrail(config: Any) -> GuardrailAsked | None:
    """Every identifier and version is known."""
    if config is None:
        return None
    config = expect_object(config, "guardrailConfig", frozenset({"guardrailIdentifier", "guardrailVersion", "trace"}))
    for name, pattern in _GUARDRAIL_PATTERNS.items():
        if not re.fullmatch(pattern, expect_name(config.get(name), f"guardrailConfig.{name}")):
            raise invalid(f"guardrailConfig.{name} does not satisfy the pattern {pattern}")
    trace = config.get("trace", "disabled")
    if trace not in ("enabled", "disabled", "enabled_full"):
        raise invalid("guardrailConfig.trace must be enabled, disabled or enabled_full")
    return GuardrailAsked(config["guardrailIdentifier"], traced=trace != "disabled")


def _tool_config(config: Any, prefix: Prefix) -> tuple[tuple[Tool, ...], ToolChoice, str | None]:
    if config is None:
        return (), "none", None
    config = expect_object(config, "toolConfig", _TOOL_CONFIG_KEYS)
    blocks = expect_list(config.get("tools"), "toolConfig.tools")
    tools = [_tool(block, f"toolConfig.tools.{index}", prefix) for index, block in enumerate(blocks)]
    specs = tuple(tool for tool in tools if tool)
    if not specs:
        raise invalid("toolConfig.tools must have at least 1 toolSpec")
    choice = expect_object(config.get("toolChoice", {"auto": {}}), "toolConfig.toolChoice")
    match list(choice):
        case ["auto"]:
            return specs, "auto", None
        case ["any"]:
            return specs, "any", None
        case ["tool"]:
            named = expect_object(choice["tool"], "toolConfig.toolChoice.tool", frozenset({"name"}))
            return specs, "tool", expect_name(named.get("name"), "toolConfig.toolChoice.tool.name")
    raise invalid("toolConfig.toolChoice must set exactly one of auto, any, tool")


def _tool(block: Any, where: str, prefix: Prefix) -> Tool | None:
    block = expect_object(block, where, frozenset({"toolSpec", "cachePoint"}))
    if "cachePoint" in block:
        prefix.mark()
        return None
    spec = expect_object(block.get("toolSpec"), f"{where}.toolSpec", _TOOL_SPEC_KEYS)
    holder = expect_object(spec.get("inputSchema"), f"{where}.toolSpec.inputSchema", frozenset({"json"}))
    schema = expect_input_schema(holder.get("json"), f"{where}.toolSpec.inputSchema.json")
    name = expect_name(spec.get("name"), f"{where}.toolSpec.name")
    prefix.add(f"{name} {spec.get('description') or ''} {orjson.dumps(schema).decode()}")
    strict = spec.get("strict", False)
    if not isinstance(strict, bool):
        raise invalid(f"{where}.toolSpec.strict must be true or false")
    return Tool(name, schema, strict)


def _system_block(block: Any, where: str, prefix: Prefix) -> None:
    block = expect_object(block, where, frozenset({"text", "cachePoint"}))
    if "cachePoint" in block:
        prefix.mark()
    else:
        prefix.add(expect_text(block.get("text"), f"{where}.text"))


def _turn(message: Any, where: str, prefix: Prefix) -> Turn:
    message = expect_object(message, where, _MESSAGE_KEYS)
    texts: list[str] = []
    guarded: list[str] = []
    tool_uses: list[str] = []
    tool_results: list[str] = []
    for index, block in enumerate(expect_list(message.get("content"), f"{where}.content")):
        here = f"{where}.content.{index}"
        match expect_object(block, here):
            case {"text": text, **others} if not others:
                texts.append(expect_text(text, f"{here}.text"))
            case {"guardContent": {"text": {"text": text, **rest}}, **others} if not others and not rest:
                texts.append(expect_text(text, f"{here}.guardContent.text.text"))
                guarded.append(texts[-1])
            case {"toolUse": use, **others} if not others:
                texts.append(_tool_use(use, f"{here}.toolUse", tool_uses))
            case {"toolResult": result, **others} if not others:
                texts.append(_tool_result(result, f"{here}.toolResult", tool_results))
            case {"cachePoint": _, **others} if not others:
                prefix.mark()
                continue
            case _:
                raise invalid(
                    f"{here}: the offline server reads text, guardContent, toolUse, toolResult and cachePoint only"
                )
        prefix.add(texts[-1])
    return Turn(str(message.get("role")), "\n".join(texts), tuple(tool_uses), tuple(tool_results), tuple(guarded))


def _tool_use(use: Any, where: str, ids: list[str]) -> str:
    use = expect_object(use, where, frozenset({"toolUseId", "name", "input", "type"}))
    ids.append(expect_name(use.get("toolUseId"), f"{where}.toolUseId"))
    given = expect_object(use.get("input"), f"{where}.input")
    return f"{expect_name(use.get('name'), f'{where}.name')} {orjson.dumps(given).decode()}"


def _tool_result(result: Any, where: str, ids: list[str]) -> str:
    result = expect_object(result, where, frozenset({"toolUseId", "content", "status", "type"}))
    ids.append(expect_name(result.get("toolUseId"), f"{where}.toolUseId"))
    if result.get("status", "success") not in ("success", "error"):
        raise invalid(f"{where}.status must be success or error")
    pieces = []
    for index, block in enumerate(expect_list(result.get("content"), f"{where}.content")):
        block = expect_object(block, f"{where}.content.{index}", frozenset({"text", "json"}))  # noqa: PLW2901
        pieces.append(block["text"] if "text" in block else orjson.dumps(block.get("json")).decode())
    return "\n".join(map(str, pieces))


def _inference(body: Mapping[str, Any]) -> tuple[int | None, tuple[str, ...]]:
    config = expect_object(body.get("inferenceConfig", {}), "inferenceConfig", _INFERENCE_KEYS)
    extra = expect_object(body.get("additionalModelRequestFields") or {}, "additionalModelRequestFields")
    for name in ("temperature", "topP"):
        if name in config:
            expect_fraction(config[name], f"inferenceConfig.{name}")
    sampling: list[str] = [name for name in ("temperature", "topP") if name in config]
    sampling += [name for name in ("top_k", "top_p", "temperature") if name in extra]
    if "maxTokens" not in config:
        return None, tuple(sampling)
    return expect_positive_integer(config["maxTokens"], "inferenceConfig.maxTokens"), tuple(sampling)


def _service_tier(config: Any) -> str:
    """ "" for the default one."""
    tier = "default" if config is None else expect_object(config, "serviceTier", frozenset({"type"})).get("type")
    if tier not in {"default", "flex", "priority", "reserved"}:
        raise invalid("serviceTier.type must be priority, default, flex or reserved")
    return "" if tier == "default" else str(tier)


def _text_format(config: Any) -> Mapping[str, Any] | None:
    """The schema of `outputConfig.textFormat`; the service takes it as a JSON string."""
    if config is None or "textFormat" not in expect_object(config, "outputConfig"):
        return None
    try:
        schema = orjson.loads(config["textFormat"]["structure"]["jsonSchema"]["schema"])
    except (KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise invalid("outputConfig.textFormat.structure.jsonSchema.schema must be a JSON string") from error
    return expect_object(schema, "outputConfig.textFormat.structure.jsonSchema.schema")
