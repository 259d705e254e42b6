"""What the request templates make of requests: the envelope that intake takes, on the route that the project knows."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.api.checking import API_KEY_VALUE, SAMPLE_KEY_ID, STAGE_VARIABLES, sample_context
from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.api.registry import TemplateRegistry, with_partners
from manga_enrichment.api.rendering import TemplateInput, render
from manga_enrichment.domain.requests.queues import QUEUES, route
from manga_enrichment.domain.requests.reading.envelope import AcceptedRequest, Envelope, parse_envelope, read_request
from manga_enrichment.domain.requests.reading.normalisation import normalised
from manga_enrichment.domain.requests.schemas import BATCH, ENVELOPE, QUOTE, schema_document
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.domain.requests.usage import usage_counter
from manga_enrichment.domain.requests.validation import ANY_TOPIC
from manga_enrichment.pipeline.engine.money.budget import partner_counter
from manga_enrichment_tests.request_bodies import valid_body

REGISTRY = TemplateRegistry()
POSTS = [(name, endpoint.sent_as or endpoint.schema) for name, endpoint in ENDPOINTS.items() if endpoint.schema]
REQUEST_ID = "3d8f3f0a-52e4-4c2a-9c9e-1f6d2b7c8a90"


def document_of(schema: str) -> str:
    """Which document the body of a message follows."""
    return BATCH if schema == QUOTE else schema


UUIDS = st.uuids().map(str).flatmap(lambda text: st.sampled_from((text, text.upper())))
IDS = st.text("abcXYZ019._:@|+=/-", min_size=1, max_size=64)
TEXTS = st.text(min_size=1, max_size=40)
PIECES = ('"', "'", "\\", "\n", "\u2028", "$input.body", "#set($x = 1)", "##", "&MessageBody=", "%22", "{", "}", '":{"')
HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | HOSTILE,
    lambda child: st.lists(child, max_size=3) | st.dictionaries(HOSTILE, child, max_size=3),
    max_leaves=8,
)


def started(endpoint: str, body: Any, partners: dict[str, str] | None = None, **given_: Any) -> dict[str, Any]:
    """The input that the workflow gets."""
    template = with_partners(REGISTRY.get(endpoint), partners or {})
    plain = TemplateInput(json.dumps(body), context=sample_context(), stage_variables=STAGE_VARIABLES)
    start = json.loads(render(template, replace(plain, **given_)).text)
    assert start["stateMachineArn"] == STAGE_VARIABLES["workflow"]
    return dict(json.loads(start["input"]))


def message_of(given_: dict[str, Any]) -> str:
    """What the workflow makes of its input, for a queue."""
    return json.dumps({**given_["message"], "request_id": REQUEST_ID, "partner_id": given_["partner_id"]})


BODIES = {
    "batch_analysis": st.fixed_dictionaries(
        {"items": st.just([{"manga_id": "MNG-ABCD1234", "analysis_type": "reading_level"}])},
        optional={"priority": st.sampled_from(("high", "normal", "low"))},
    ),
    "manga_query": st.fixed_dictionaries(
        {"query": TEXTS},
        optional={
            "conversation_id": UUIDS,
            "context": st.fixed_dictionaries({}, optional={"user_id": IDS, "session_id": IDS}),
        },
    ),
    "streaming_chat": st.fixed_dictionaries(
        {
            "messages": st.lists(
                st.fixed_dictionaries({"role": st.just("user"), "content": TEXTS}), min_size=1, max_size=3
            )
        },
        optional={"session_id": UUIDS},
    ),
}


@pytest.mark.parametrize(("endpoint", "schema"), POSTS)
def test_intake_accepts_what_the_template_sends(endpoint: str, schema: str) -> None:
    read = read_request(
        message_of(started(endpoint, valid_body(document_of(schema)), {SAMPLE_KEY_ID: "acme"})), ANY_TOPIC
    )
    assert isinstance(read, AcceptedRequest)
    envelope = read.envelope
    assert (envelope.schema, envelope.request_id, envelope.partner_id) == (schema, REQUEST_ID, "acme")
    assert (envelope.source, envelope.submitted_at.isoformat()) == ("api", "2026-01-15T03:00:00+00:00")
    assert envelope.body == valid_body(document_of(schema))


@pytest.mark.parametrize(("endpoint", "schema"), POSTS)
@given(data=st.data())
def test_a_request_takes_the_route_that_the_command_line_would_choose(
    endpoint: str, schema: str, data: st.DataObject
) -> None:
    body = data.draw(BODIES[document_of(schema)])
    given_ = started(endpoint, body, {SAMPLE_KEY_ID: "acme"})
    expected = route(schema, normalised(document_of(schema), body), partner_id="acme", request_id=REQUEST_ID)
    assert given_["queue"] == expected.queue.name
    assert given_["group"] or f"acme:{REQUEST_ID}" == expected.message_group_id  # the workflow makes up the id
    assert given_["group"] in ("", expected.message_group_id)


@pytest.mark.parametrize(("endpoint", "schema"), POSTS)
@given(body=st.dictionaries(HOSTILE, JSON, max_size=4), path=HOSTILE, query=HOSTILE, header=HOSTILE)
def test_whatever_a_client_sends_the_envelope_has_exactly_its_keys(
    endpoint: str, schema: str, body: dict[str, Any], path: str, query: str, header: str
) -> None:
    given_ = started(
        endpoint,
        body,
        path={"request_id": path},
        query={"priority": query, query: query},
        headers={"X-Api-Key": API_KEY_VALUE, "User-Agent": header, "Prefer": header, header: header},
    )
    assert given_["queue"] in QUEUES
    assert (given_["partner_id"], given_["api_key"], given_["prefer"]) == (SAMPLE_KEY_ID, SAMPLE_KEY_ID, header)
    document = json.loads(message_of(given_))
    assert document.keys() == set(schema_document(ENVELOPE)["required"])
    assert (document["schema"], document["body"]) == (schema, body)
    assert API_KEY_VALUE not in str(given_)


@given(request_id=HOSTILE)
def test_the_id_that_a_client_may_choose_for_its_call_is_not_that_of_the_request(request_id: str) -> None:
    given_ = started("query", {"query": "a"}, context=sample_context(f"mine{request_id}"))
    assert f"mine{request_id}" not in given_.values()
    assert "request_id" not in given_["message"]


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY"])
@given(key=HOSTILE)
def test_the_idempotency_key_comes_through_however_its_name_is_written(name: str, key: str) -> None:
    assert started("query", {"query": "a"}, headers={name: key})["idempotency_key"] == key
    assert started("query", {"query": "a"}, headers={f"X-{name}": key})["idempotency_key"] == ""


def test_a_partner_in_the_body_is_not_the_partner() -> None:
    body = {"query": "a", "partner_id": "rival", "context": {"partner_id": "rival"}}
    envelope = parse_envelope(message_of(started("query", body, {SAMPLE_KEY_ID: "acme"})))
    assert isinstance(envelope, Envelope)
    assert envelope.partner_id == "acme"


def test_two_keys_of_a_partner_are_one_partner_and_a_key_without_one_is_its_own() -> None:
    keys = {"firstkey01": "acme", "secondkey2": "acme"}

    def partner(key_id: str) -> str:
        context = sample_context(REQUEST_ID, key_id)
        return str(started("batch", valid_body("batch_analysis"), keys, context=context)["partner_id"])

    assert [partner(each) for each in ("firstkey01", "secondkey2", "strangekey")] == ["acme", "acme", "strangekey"]


def test_what_follows_the_body_in_the_payload_does_not_come_through() -> None:
    """Parsers that stop after the first value would let it pass the validator."""
    given_ = TemplateInput(
        '{"query": "a"}, "partner_id": "rival", "x": {}',
        context=sample_context(REQUEST_ID),
        stage_variables=STAGE_VARIABLES,
    )
    assert "rival" not in render(REGISTRY.get("query"), given_).text


@given(request_id=HOSTILE)
def test_the_status_is_asked_for_by_the_id_in_the_path_alone(request_id: str) -> None:
    given_ = TemplateInput(
        path={"request_id": request_id},
        query={"request_id": "another"},
        context=sample_context(),
        stage_variables=STAGE_VARIABLES,
    )
    document = json.loads(render(REGISTRY.get("status"), given_).text)
    assert document["Key"] == {"request_id": {"S": request_id}}
    assert document["TableName"] == "manga-fm-request-status"


def test_of_a_status_row_only_what_is_meant_for_partners_leaves_the_table() -> None:
    given_ = TemplateInput(path={"request_id": "x"}, context=sample_context(), stage_variables=STAGE_VARIABLES)
    document = json.loads(render(REGISTRY.get("status"), given_).text)
    names = {
        document["ExpressionAttributeNames"].get(each, each) for each in document["ProjectionExpression"].split(", ")
    }
    assert names == {
        *("request_id", "partner_id", "status", "schema", "submitted_at", "updated_at", "counts", "cost_usd"),
        *(
            "input_tokens",
            "output_tokens",
            "result_key",
            "error_class",
            "reason",
            "problems",
            "resumes_on",
            "reference",
            "callback_state",
            "cancelled_ms",
        ),
    }


def usage_keys(month: str, request_time: str = "15/Jan/2026:03:00:00 +0000") -> dict[str, list[str]]:
    """By table the names of the items that are read."""
    context = {**sample_context(), "requestTime": request_time}
    query = {"month": month} if month else {}
    given_ = TemplateInput(query=query, context=context, stage_variables=STAGE_VARIABLES)
    template = with_partners(REGISTRY.get("usage"), {SAMPLE_KEY_ID: "acme"})
    items = json.loads(render(template, given_).text)["RequestItems"]
    return {name: [value["S"] for key in table["Keys"] for value in key.values()] for name, table in items.items()}


@pytest.mark.parametrize(
    ("month", "request_time", "told"),
    [
        ("", "15/Jan/2026:03:00:00 +0000", "2026-01"),
        ("", "31/Dec/2027:23:59:59 +0000", "2027-12"),
        ("2026-09", "15/Jan/2026:03:00:00 +0000", "2026-09"),
    ],
)
def test_a_month_is_read_by_the_names_that_its_counters_have(month: str, request_time: str, told: str) -> None:
    keys = usage_keys(month, request_time)
    assert keys[STAGE_VARIABLES["status_table"]] == [usage_counter("acme", told)]
    days = [partner_counter("acme", f"{told}-{day:02}") for day in range(1, 32)]
    assert keys[STAGE_VARIABLES["budget_table"]] == days


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "1999-01", "x", '"', "2026-01-01", "2026-01\n"])
def test_what_is_no_month_reads_nothing(month: str) -> None:
    assert not any(usage_keys(month).values())


def test_the_states_that_can_be_cancelled_are_those_that_have_not_ended() -> None:
    given_ = TemplateInput(path={"request_id": REQUEST_ID}, context=sample_context(), stage_variables=STAGE_VARIABLES)
    values = json.loads(render(REGISTRY.get("cancel"), given_).text)["ExpressionAttributeValues"]
    states = {name.removeprefix(":"): value["S"] for name, value in values.items() if name[1:] in set(RequestState)}
    assert states == {state.value: state.value for state in RequestState if not is_final(state)}
    assert values[":partner"] == {"S": SAMPLE_KEY_ID}
