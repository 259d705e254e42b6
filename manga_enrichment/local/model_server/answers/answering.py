"""One request to one reply, without HTTP: the entry for the endpoints here and for anything else that runs calls.

Belongs here: tool or text, the output limit, the ways to answer badly on purpose. Stays out: what is said about
a title (`skills.py`), usage of the prompt cache (`local/model_server/prompt_cache.py`), money
(`local/model_server/meter.py`).
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import orjson

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.local.model_server.answers.schema_values import Schema, types_of
from manga_enrichment.local.model_server.answers.skills import Study, build_answer, reply_about
from manga_enrichment.local.model_server.answers.title_prompt import has_title, japanese_share, read_title
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest, Reply, Tool
from manga_enrichment.local.model_server.protocol.tokens import count_tokens, longest_prefix, tool_use_tokens

REFUSAL = "I can't help with this title."
THOUGHTS = "The title is looked at field by field."
FILTERED = "The generated text has been blocked by our content filters."
_SUBJECT_CHARACTERS = 80
_DECODER = json.JSONDecoder()


def answer(model: ModelSpec, request: ModelRequest) -> Reply:
    """The reply to `request`: a pure function of its arguments. The request has passed `checks.check_request`."""
    reply = _reply(model, request)
    if not model.always_thinks or reply.stop_reason == "max_tokens":
        return reply
    return dataclasses.replace(reply, thoughts=THOUGHTS, output_tokens=reply.output_tokens + count_tokens(THOUGHTS))


def _reply(model: ModelSpec, request: ModelRequest) -> Reply:
    tool = _tool_to_call(request)
    if tool is not None:
        value = build_answer(Study(read_title(request.turns)), tool.schema, tool.schema)
        return _tool_reply(tool.name, value, output_limit(model, request))
    schema = request.answer_schema or _schema_in_prompt(request)
    if schema is not None:
        value = build_answer(Study(read_title(request.turns)), schema, schema)
        return _text_reply(orjson.dumps(value).decode(), output_limit(model, request))
    return _text_reply(_conversation(request), output_limit(model, request))


def output_limit(model: ModelSpec, request: ModelRequest) -> int:
    """Most tokens the reply may take."""
    return model.max_output_tokens if request.max_tokens is None else request.max_tokens


def refuse(*, filtered: bool) -> Reply:
    """A polite no with a successful stop reason, or the content filter's one."""
    text = FILTERED if filtered else REFUSAL
    return Reply("content_filtered" if filtered else "end_turn", count_tokens(text), text)


def break_answer(reply: Reply, request: ModelRequest) -> Reply:
    """The same reply with a tool input that its schema forbids; a text stays as it is.

    Every closed schema forbids the extra key, and every schema with a typed property the wrong type.
    """
    if reply.tool_input is None:
        return reply
    schema = next((tool.schema for tool in request.tools if tool.name == reply.tool_name), {})
    broken = {**reply.tool_input, "not_in_the_schema": True}
    for name, part in list(schema.get("properties", {}).items())[:1]:
        broken[name] = "not an object" if "object" in types_of(part) else {"not": "a value of this type"}
    tokens = tool_use_tokens(reply.tool_name, _json(broken))
    return dataclasses.replace(reply, tool_input=broken, output_tokens=tokens)


def _tool_to_call(request: ModelRequest) -> Tool | None:
    """The forced tool, the only tool, or the one that the prompt names; None when text is the better answer."""
    match request.tool_choice:
        case "tool":
            return next(tool for tool in request.tools if tool.name == request.forced_tool)
        case "any":
            return request.tools[0]
        case "auto" if len(request.tools) == 1:
            return request.tools[0]
        case "auto":
            prompt = "\n".join(turn.text for turn in request.turns)
            return next((tool for tool in request.tools if tool.name in prompt), None)
    return None


def _tool_reply(name: str, value: Mapping[str, Any], limit: int) -> Reply:
    needed = tool_use_tokens(name, _json(value))
    if needed <= limit:
        return Reply("tool_use", needed, tool_name=name, tool_input=value)
    complete: dict[str, Any] = {}
    for key, part in value.items():
        if tool_use_tokens(name, _json({**complete, key: part})) > limit:
            break
        complete[key] = part
    return Reply("max_tokens", limit, tool_name=name, tool_input=complete)


def _text_reply(text: str, limit: int) -> Reply:
    needed = count_tokens(text)
    if needed <= limit:
        return Reply("end_turn", needed, text)
    return Reply("max_tokens", limit, longest_prefix(text, limit) or "…")


def _schema_in_prompt(request: ModelRequest) -> Schema | None:
    """A JSON Schema that the prompt quotes because it wants JSON as text, about a title or a conversation."""
    if not any(has_title(turn.text) or "<conversation>\n" in turn.text for turn in request.turns):
        return None
    prompt = "\n".join(request.prefix.texts)
    start = prompt.find('{"') if "json" in prompt.lower() else -1
    while start >= 0:
        try:
            found, _ = _DECODER.raw_decode(prompt, start)
        except json.JSONDecodeError:
            found = None
        if isinstance(found, dict) and isinstance(found.get("properties"), dict):
            return found
        start = prompt.find('{"', start + 1)
    return None


def _conversation(request: ModelRequest) -> str:
    if "<conversation>\n" in request.turns[0].text:
        return reply_about(Study(read_title(request.turns[:1])))
    question = request.turns[-1].text.strip().partition("\n")[0]
    subject = question if len(question) <= _SUBJECT_CHARACTERS else question[: _SUBJECT_CHARACTERS - 1] + "…"
    if japanese_share(subject) > 0.3:
        return f"「{subject}」についてのご質問ですね。これはオフラインの代役であり、言語モデルではありません。"
    return f"You asked: “{subject}” This is the offline stand-in, not a language model, so it has no opinion."


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
