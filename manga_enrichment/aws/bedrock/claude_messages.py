"""The messages format of Claude, as InvokeModel and batch records carry it. Pure functions of dictionaries.

Why not Converse everywhere: a batch job of the Converse type refuses every record with a tool ("Process multiple
prompts with batch inference", Bedrock user guide), and our answers come through a tool. Nothing here marks a cache
prefix: batch inference reads and writes no prompt cache.
"""

from collections.abc import Mapping
from typing import Any

from manga_enrichment.aws.bedrock.converse import json_in_text
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.model import ModelCall, ModelReply

ANTHROPIC_VERSION = "bedrock-2023-05-31"


def model_input(call: ModelCall) -> dict[str, Any]:
    """The body of one record. A repair is a conversation, which a batch does not have: its call is refused."""
    if call.repair is not None:
        raise ValueError("a batch record can not carry a repair")
    prompt, model = call.prompt, call.model
    tool = {"name": prompt.tool_name, "description": prompt.tool_description, "input_schema": prompt.tool_schema}
    choice = {"type": "tool", "name": prompt.tool_name} if model.takes_forced_tool else {"type": "auto"}
    body: dict[str, Any] = {
        "anthropic_version": ANTHROPIC_VERSION,
        "max_tokens": call.max_tokens,
        "system": prompt.system,
        "messages": [{"role": "user", "content": [{"type": "text", "text": prompt.user}]}],
        "tools": [tool],
        "tool_choice": choice,
    }
    if prompt.temperature is not None and model.takes_temperature:
        body["temperature"] = prompt.temperature
    if model.thinking_off is not None:
        body["thinking"] = {"type": model.thinking_off}
    return body


def model_reply(output: Any) -> ModelReply:
    """A reply from a record's `modelOutput`. Raises ModelError(EMPTY_ANSWER) when usage or content cannot be read."""
    usage = output.get("usage") if isinstance(output, dict) else None
    content = output.get("content") if isinstance(output, dict) else None
    if not isinstance(usage, dict) or not isinstance(content, list):
        raise ModelError(ErrorClass.EMPTY_ANSWER, "the answer has no usage or no content")
    blocks = [block for block in content if isinstance(block, dict)]
    inputs = [block.get("input") for block in blocks if block.get("type") == "tool_use"]
    texts = [block["text"] for block in blocks if isinstance(block.get("text"), str)]
    stop_reason = output.get("stop_reason")
    text = "".join(texts)
    found = (*inputs, json_in_text(text), text)
    answer = inputs[0] if inputs else json_in_text(text)
    return ModelReply(
        stop_reason=stop_reason if isinstance(stop_reason, str) and stop_reason else "missing",
        answer=answer if isinstance(answer, dict) else None,
        usage=Usage(
            input_tokens=_tokens(usage, "input_tokens"),
            output_tokens=_tokens(usage, "output_tokens"),
            cache_read_tokens=_tokens(usage, "cache_read_input_tokens"),
            cache_write_tokens=_tokens(usage, "cache_creation_input_tokens"),
        ),
        text=text,
        found=found,
    )


def _tokens(usage: Mapping[str, Any], name: str) -> int:
    """Cache counts may be missing or null; the other two are there in every answer that was billed."""
    count = usage.get(name)
    if count is None and name.startswith("cache_"):
        return 0
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ModelError(ErrorClass.EMPTY_ANSWER, f"the answer's usage cannot be read: {name} is {count!r:.50}")
    return count
