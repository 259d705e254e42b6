"""The workflow's graph holds together, and its expressions are JSONata: what AWS would refuse is noticed here."""

import re
from collections.abc import Iterator
from typing import Any

import jsonata
import pytest

from manga_enrichment.api.workflow.answers import ANSWERS, FIRST_GUESS_SECONDS, FIRST_STATE_VALUES
from manga_enrichment.api.workflow.machine import LONGEST_WAIT_SECONDS, TIMEOUT_SECONDS, definition
from manga_enrichment.domain.operations.retention import IDEMPOTENCY_DAYS
from manga_enrichment.domain.requests.queues import BY_PRIORITY

MACHINE = definition()
STATES: dict[str, dict[str, Any]] = MACHINE["States"]


def following(state: dict[str, Any]) -> set[str]:
    branches = [*state.get("Choices", []), *state.get("Catch", [])]
    return {each for each in (state.get("Next"), state.get("Default")) if each} | {each["Next"] for each in branches}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for child in value.values() for text in texts(child))
    elif isinstance(value, list):
        yield from (text for child in value for text in texts(child))
    elif isinstance(value, str):
        yield value


def test_every_state_is_reached_and_leads_somewhere() -> None:
    seen, waiting = set(), {MACHINE["StartAt"]}
    while waiting:
        seen |= waiting
        waiting = {each for name in waiting for each in following(STATES[name])} - seen
    assert seen == set(STATES)
    ends = {name for name, state in STATES.items() if state.get("End")}
    assert ends == set(ANSWERS)
    assert all(following(state) or state.get("End") for state in STATES.values())


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state["Type"] == "Task"])
def test_whatever_a_service_says_the_partner_gets_an_answer(name: str) -> None:
    assert STATES[name]["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


def test_every_expression_is_jsonata_and_uses_only_values_that_were_assigned() -> None:
    assigned = {name for state in STATES.values() for name in state.get("Assign", {})}
    expressions = [text for text in texts(STATES) if text.startswith("{%")]
    assert len(expressions) > 40
    for text in expressions:
        assert text.endswith("%}")
        jsonata.Jsonata(text[2:-2].strip())
        inside = set(re.findall(r"\(\$([a-z]+)\)|\$([a-z]+) :=|function\(\$([a-z]+)(?:, \$([a-z]+))?\)", text))
        local = {name for found in inside for name in found if name}
        used = {name for name in re.findall(r"\$([a-z_]+)\b(?!\()", text) if name not in ("states", *local)}
        assert used <= assigned, text


def test_the_longest_wait_ends_before_the_workflow_and_that_before_api_gateway() -> None:
    assert LONGEST_WAIT_SECONDS + 2 < TIMEOUT_SECONDS < 29
    assert STATES["Wait"]["Seconds"] == 1


def test_rows_and_keys_are_written_only_where_none_stands() -> None:
    conditions = {
        name: state["Arguments"]["ConditionExpression"]
        for name, state in STATES.items()
        if state.get("Resource", "").endswith((":putItem", ":deleteItem"))
    }
    assert conditions == {
        "WriteRow": "attribute_not_exists(request_id)",
        "RememberKey": "attribute_not_exists(request_id) OR expires_at <= :now",
        "Withdraw": "generation = :none",
    }
    assert IDEMPOTENCY_DAYS == 1, "docs/api.md says 24 hours"


def test_each_priority_has_a_first_guess() -> None:
    assert FIRST_GUESS_SECONDS.keys() == {queue.name for queue in BY_PRIORITY.values()}


def warned(schema: str, body: dict[str, Any]) -> list[str]:
    """Codes of the warnings of a 202, as a JSONata engine says them."""
    expression = jsonata.Jsonata(f"( $states := {{'input': $$}}; {FIRST_STATE_VALUES['warnings']} )")
    found = expression.evaluate({"message": {"schema": schema, "body": body}})
    return [each["code"] for each in found or []]


@pytest.mark.parametrize(
    ("schema", "body", "codes"),
    [
        ("batch_analysis", {"items": [], "notification": {"email": "a@b.example"}}, ["EMAIL_NOT_SENT_WARNING"]),
        ("batch_analysis", {"items": [], "notification": {}}, []),
        ("manga_query", {"query": "a", "temperature": 0.2}, ["TEMPERATURE_WARNING"]),
        ("manga_query", {"query": "あ" * 8000, "model": "sonnet"}, ["LONG_TEXT_WARNING"]),
        ("manga_query", {"query": "あ" * 8000}, []),
        ("manga_query", {"query": "a" * 6400, "model": "sonnet"}, []),
        ("streaming_chat", {"messages": [{"role": "user", "content": "あ" * 16000}] * 50}, ["LONG_TEXT_WARNING"]),
        ("streaming_chat", {"messages": [{"content": "あ"}]}, []),
        ("streaming_chat", {"messages": [{"content": "あ" * 12801}], "model": "haiku"}, ["LONG_TEXT_WARNING"]),
        ("streaming_chat", {"messages": [{"content": "a"}] * 2, "stream": True}, ["NOT_STREAMED_WARNING"]),
    ],
)
def test_a_202_warns_of_what_has_no_effect_and_of_what_may_be_too_long(
    schema: str, body: dict[str, Any], codes: list[str]
) -> None:
    assert warned(schema, body) == codes
