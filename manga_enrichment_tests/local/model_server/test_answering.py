"""Tool or text, the output limit, schemas nobody taught the stand-in about."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.local.model_server.answers.answering import answer, break_answer
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest

Parse = Callable[..., ModelRequest]

TITLE = (
    "<title>\nmanga_id: MNG-ABCD1234\ntitle: Ace\nsynopsis: A baseball team reaches the final match.\n</title>\nDo it."
)
MOOD = {
    "type": "object",
    "additionalProperties": False,
    "required": ["mood", "tempo", "tags"],
    "properties": {
        "mood": {"type": "string", "enum": ["bright", "dark"]},
        "tempo": {"type": "integer", "minimum": 3, "maximum": 9},
        "tags": {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "string", "minLength": 2}},
        "note": {"type": ["string", "null"], "maxLength": 5},
        "primary_genre": {"type": "string", "enum": ["Sci-Fi", "Sports", "Slice of Life"]},
    },
}


def body(*texts: str, tools: dict[str, Any] | None = None, choice: dict[str, Any] | None = None) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(texts)
    messages = [{"role": role, "content": [{"text": text}]} for role, text in zip(roles, texts, strict=False)]
    given: dict[str, Any] = {"messages": messages}
    if tools:
        specs = [{"toolSpec": {"name": name, "inputSchema": {"json": schema}}} for name, schema in tools.items()]
        given["toolConfig"] = {"tools": specs, "toolChoice": choice or {"auto": {}}}
    return given


@pytest.mark.parametrize("choice", [{"auto": {}}, {"any": {}}, {"tool": {"name": "record_mood"}}])
def test_a_single_tool_is_called_whatever_the_tool_choice(
    parsed: Parse, forcing_model: ModelSpec, choice: dict[str, Any]
) -> None:
    reply = answer(forcing_model, parsed(body(TITLE, tools={"record_mood": MOOD}, choice=choice)))
    assert (reply.stop_reason, reply.tool_name, reply.text) == ("tool_use", "record_mood", None)


def test_a_schema_nobody_taught_it_about_gets_a_valid_answer(parsed: Parse, forcing_model: ModelSpec) -> None:
    reply = answer(forcing_model, parsed(body(TITLE, tools={"record_mood": MOOD})))
    jsonschema.validate(reply.tool_input, MOOD)


def test_genres_are_answered_in_the_spelling_of_the_schema(parsed: Parse, forcing_model: ModelSpec) -> None:
    reply = answer(forcing_model, parsed(body(TITLE, tools={"record_mood": MOOD})))
    assert reply.tool_input is not None
    assert reply.tool_input["primary_genre"] == "Sports"


def test_of_several_tools_the_named_one_is_called_else_text_is_given(parsed: Parse, forcing_model: ModelSpec) -> None:
    tools = {"record_mood": MOOD, "record_other": MOOD}
    named = answer(forcing_model, parsed(body(f"{TITLE} Call record_other.", tools=tools)))
    unnamed = answer(forcing_model, parsed(body("What is manga?", tools=tools)))
    assert named.tool_name == "record_other"
    assert unnamed.stop_reason == "end_turn"


def test_a_plain_question_gets_a_text_that_quotes_it_and_says_what_this_is(
    parsed: Parse, forcing_model: ModelSpec
) -> None:
    english = answer(forcing_model, parsed(body("What should I read after Diamond Ninth?")))
    japanese = answer(forcing_model, parsed(body("次に読む漫画は何がいいですか？")))
    assert english.text is not None
    assert japanese.text is not None
    assert "What should I read after Diamond Ninth?" in english.text
    assert "offline stand-in" in english.text
    assert "次に読む漫画は何がいいですか？" in japanese.text
    assert "代役" in japanese.text


def test_json_is_given_as_text_when_a_schema_is_quoted_or_sent(parsed: Parse, forcing_model: ModelSpec) -> None:
    quoted = body(f"{TITLE} Answer with JSON that fits {json.dumps(MOOD)}")
    structure = {"jsonSchema": {"schema": json.dumps(MOOD)}}
    sent = {**body(TITLE), "outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}
    for given in (quoted, sent):
        reply = answer(forcing_model, parsed(given))
        assert reply.stop_reason == "end_turn"
        jsonschema.validate(json.loads(reply.text or ""), MOOD)


def test_an_answer_over_the_limit_keeps_the_keys_that_are_complete(parsed: Parse, forcing_model: ModelSpec) -> None:
    whole = body(TITLE, tools={"record_mood": MOOD})
    full = answer(forcing_model, parsed(whole))
    cut = answer(forcing_model, parsed({**whole, "inferenceConfig": {"maxTokens": full.output_tokens - 5}}))
    assert full.tool_input is not None
    assert cut.tool_input is not None
    assert (cut.stop_reason, cut.output_tokens) == ("max_tokens", full.output_tokens - 5)
    assert dict(cut.tool_input).items() < dict(full.tool_input).items()


def test_a_text_over_the_limit_is_cut(parsed: Parse, forcing_model: ModelSpec) -> None:
    question = body("What should I read after Diamond Ninth?")
    cut = answer(forcing_model, parsed({**question, "inferenceConfig": {"maxTokens": 5}}))
    assert (cut.stop_reason, cut.output_tokens) == ("max_tokens", 5)
    assert cut.text == "You asked: “What "


def test_a_repair_turn_gets_the_answer_to_the_title_again(parsed: Parse, forcing_model: ModelSpec) -> None:
    tools = {"record_mood": MOOD}
    first = parsed(body(TITLE, tools=tools))
    repair = parsed(body(TITLE, "{}", "The answer breaks the schema. Answer again.", tools=tools))
    assert repair.repairs
    assert not first.repairs
    assert answer(forcing_model, repair).tool_input == answer(forcing_model, first).tool_input


@pytest.mark.parametrize("closed", [True, False])
def test_a_broken_answer_violates_its_schema_also_when_that_is_open(
    parsed: Parse, forcing_model: ModelSpec, closed: bool
) -> None:
    schema = {**MOOD, "additionalProperties": not closed}
    request = parsed(body(TITLE, tools={"record_mood": schema}))
    broken = break_answer(answer(forcing_model, request), request)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken.tool_input, schema)


REPLY = {"type": "object", "required": ["reply"], "properties": {"reply": {"type": "string"}}}


@pytest.mark.parametrize(
    ("catalog", "said"),
    [
        ("<catalog>\nMNG-ABCD1234 | Ace | genre: sports\n</catalog>\n", "The catalog has Ace (MNG-ABCD1234). "),
        ("<catalog>\n(no title matches)\n</catalog>\n", "I found nothing in the catalog. "),
        ("", ""),
    ],
)
def test_a_conversation_is_told_what_its_prompt_quotes_of_the_catalog(
    parsed: Parse, forcing_model: ModelSpec, catalog: str, said: str
) -> None:
    prompt = f"{catalog}<conversation>\nuser: Baseball?\n</conversation>"
    reply = answer(forcing_model, parsed(body(prompt, tools={"record_conversation": REPLY})))
    assert reply.tool_input is not None
    assert reply.tool_input["reply"].startswith(f"{said}This is the offline stand-in")
