"""The OpenAPI document is current, sound, and says what the API does."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate as validate_openapi
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from manga_enrichment.api.checking import sample_context, status_item
from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.api.gateway_responses import GATEWAY_ANSWERS
from manga_enrichment.api.openapi.document import openapi_document
from manga_enrichment.api.openapi.examples import EXAMPLES
from manga_enrichment.api.registry import TemplateRegistry
from manga_enrichment.api.rendering import TemplateInput, render
from manga_enrichment.cli import main
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.callbacks.signatures import SigningKey, signed_headers
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.domain.requests.validation import validate
from manga_enrichment_tests.analyses import FOR_PARTNERS

DOCUMENT = openapi_document(FOR_PARTNERS)
FILE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
REGISTRY = TemplateRegistry()


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator({**DOCUMENT["components"]["schemas"][name], "components": DOCUMENT["components"]})


def closed(part: Any) -> Any:
    """The schema with nothing allowed that it does not name."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    inner = {name: closed(value) for name, value in part.items()}
    return {"additionalProperties": False, **inner} if isinstance(part.get("properties"), dict) else inner


def operation(endpoint: str) -> dict[str, Any]:
    entry = ENDPOINTS[endpoint]
    return dict(DOCUMENT["paths"][entry.path][entry.method.lower()])


def test_the_committed_document_is_current() -> None:
    result = CliRunner().invoke(main, ["openapi"])
    assert result.exit_code == 0
    assert result.output == FILE.read_text("utf-8"), "run: manga-enrichment openapi > docs/openapi.json"


def test_each_endpoint_is_an_operation_and_there_are_no_others() -> None:
    found = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert found == {(each.path, each.method.lower()) for each in ENDPOINTS.values()}


def test_a_public_linter_finds_nothing() -> None:
    validate_openapi(DOCUMENT)


def test_the_linter_would_find_something() -> None:
    with pytest.raises(OpenAPIValidationError, match="not unique"):
        validate_openapi({**DOCUMENT, "paths": {f"/{n}": {"get": operation("list")} for n in range(2)}})


def test_everything_has_words_and_every_parameter_an_example() -> None:
    tags = {each["name"] for each in DOCUMENT["tags"] if each["description"]}
    for name in ENDPOINTS:
        told = operation(name)
        assert told["summary"], name
        assert told["description"], name
        assert set(told["tags"]) <= tags
        for each in told["parameters"]:
            assert each["description"], (name, each["name"])
            assert "example" in each or "examples" in each["schema"], (name, each["name"])


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_the_schemas_are_sound(name: str) -> None:
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


@pytest.mark.parametrize("endpoint", [name for name, each in ENDPOINTS.items() if each.schema])
def test_an_example_is_a_valid_request(endpoint: str) -> None:
    content = operation(endpoint)["requestBody"]["content"]["application/json"]
    assert validate(ENDPOINTS[endpoint].schema or "", content["example"]).errors == ()
    assert schema(content["schema"]["$ref"].rsplit("/", 1)[-1]).is_valid(content["example"])


@pytest.mark.parametrize("analysis", FOR_PARTNERS.values(), ids=lambda analysis: analysis.name)
def test_the_answer_of_each_analysis_is_told_apart_from_the_others(analysis: AnalysisType) -> None:
    """A generated client takes the first of them that has all fields that it must have."""
    references = [
        each["$ref"] for each in schema("ResultItem").schema["properties"]["answer"]["anyOf"] if "$ref" in each
    ]
    described = [schema(each.rsplit("/", 1)[-1]).schema for each in references]
    assert len(described) == len(FOR_PARTNERS) + 1
    fitting = [each for each in described if set(each["required"]) <= set(analysis.output_schema["properties"])]
    assert [each["properties"] for each in fitting] == [analysis.output_schema["properties"]]


RESPONSES = [(endpoint, status) for endpoint in ENDPOINTS for status in operation(endpoint)["responses"]]


@pytest.mark.parametrize(("endpoint", "status"), RESPONSES)
def test_an_example_of_an_answer_follows_its_schema(endpoint: str, status: str) -> None:
    content = operation(endpoint)["responses"][status]["content"]["application/json"]
    name = content["schema"]["$ref"].rsplit("/", 1)[-1]
    Draft202012Validator(closed({**schema(name).schema})).validate(content["example"])
    assert content["example"]["success"] is (int(status) < 400)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_status_that_can_come_is_documented(endpoint: str) -> None:
    documented = {int(status) for status in operation(endpoint)["responses"]}
    assert documented >= set(ENDPOINTS[endpoint].statuses) | {403, 429, 503}


# A 202 is the workflow's own document: see end_to_end/test_request_front.py.
ANSWERS = [key for key in REGISTRY.keys() if key.status not in (None, 202)]  # noqa: SIM118


@pytest.mark.parametrize("key", ANSWERS, ids=str)
def test_what_the_templates_answer_follows_the_schemas(key: Any) -> None:
    said = {"Item": {**status_item(), "status": {"S": "completed"}}} if key.endpoint == "status" else {}
    rendered = render(REGISTRY.get(key.endpoint, key.status), TemplateInput(json.dumps(said), context=sample_context()))
    status = str(rendered.status or key.status)
    reference = operation(key.endpoint)["responses"][status]["content"]["application/json"]["schema"]["$ref"]
    schema(reference.rsplit("/", 1)[-1]).validate(json.loads(rendered.text))


@pytest.mark.parametrize("kind", GATEWAY_ANSWERS)
def test_what_api_gateway_answers_itself_follows_the_schema(kind: str) -> None:
    text = GATEWAY_ANSWERS[kind].template().replace("$context.error.messageString", '"Invalid request body"')
    schema("Error").validate(json.loads(text))


WEBHOOK: dict[str, Any] = DOCUMENT["webhooks"]["requestEnded"]["post"]


def told(state: RequestState, **more: Any) -> Event:
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    return Event("0f8fad5b-d9cb-469f-a165-70867728950e", "acme", "batch_analysis", state, at, **more)


PROBLEM = {"path": "items", "code": "SCHEMA_VIOLATION", "validator": "type", "message": "must be a list"}
ENDS: dict[str, Event] = {
    "completed": told(RequestState.COMPLETED, result="fm-results/acme/a.json", counts={"items": 2, "succeeded": 2}),
    "answered": told(RequestState.COMPLETED, reference="mine").with_answers(
        EXAMPLES["results", 200]["data"],
    ),
    "failed": told(RequestState.FAILED, error_class="refusal", reason="1 of 1 items without an answer: 1 refusal"),
    "rejected": told(RequestState.REJECTED, error_class="invalid_body", reason="r", problems=[PROBLEM]),
    "cancelled": told(RequestState.CANCELLED),
    "partially_completed": told(RequestState.PARTIALLY_COMPLETED),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_callback_is_what_the_webhook_says_with_nothing_that_it_does_not_name(end: str) -> None:
    content = WEBHOOK["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**content, "components": closed(DOCUMENT["components"])})
    validator.validate(json.loads(ENDS[end].body(is_private=True)))


def test_every_end_of_a_request_is_one_that_the_webhook_knows() -> None:
    event = DOCUMENT["components"]["schemas"]["CallbackEvent"]["properties"]
    assert set(event["status"]["enum"]) == {state.value for state in RequestState if is_final(state)}
    assert {each.state.value for each in ENDS.values()} == set(event["status"]["enum"])


def test_the_example_of_a_callback_follows_its_schema() -> None:
    schema("CallbackEvent").validate(WEBHOOK["requestBody"]["content"]["application/json"]["example"])


def test_the_headers_of_a_callback_are_those_that_sign_it() -> None:
    headers = signed_headers(SigningKey("1", "any"), b"{}", datetime(2026, 11, 28, 12, tzinfo=UTC))
    described = {each["name"]: each for each in WEBHOOK["parameters"]}
    assert described.keys() == headers.keys()
    for name, value in headers.items():
        assert re.fullmatch(described[name]["schema"]["pattern"], value)
        assert re.fullmatch(described[name]["schema"]["pattern"], described[name]["example"])
    assert WEBHOOK["security"] == []
