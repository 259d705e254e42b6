"""The sketch in the requirements has faults, found by running it; here is the opposite of those about the API.

Sections follow the list of known faults that comes with the requirements.
"""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft4Validator

from manga_enrichment.api.checking import API_KEY_VALUE, STAGE_VARIABLES, sample_context
from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.api.models import model_name, request_models
from manga_enrichment.api.registry import TemplateRegistry
from manga_enrichment.api.rendering import Rendered, TemplateInput, render
from manga_enrichment.domain.requests.schemas import REQUEST_SCHEMAS, schema_document
from manga_enrichment_tests.request_bodies import valid_body

REGISTRY = TemplateRegistry()
HOSTILE = 'high", "partner_id": "evil'


def names(schema: Any) -> set[str]:
    """Every property that a schema knows, at any depth."""
    own = schema.get("properties", {})
    inner = [*own.values(), *([schema["items"]] if "items" in schema else [])]
    return {*own, *(name for child in inner for name in names(child))}


def answered(endpoint: str, status: int, service_says: Any) -> tuple[int, Rendered]:
    """What API Gateway answers when the service says this with this status."""
    responses = REGISTRY.integration_config(endpoint)["IntegrationResponses"]
    matching = [each for each in responses if re.fullmatch(each.get("SelectionPattern", "(?!)"), str(status))]
    (chosen,) = matching or [each for each in responses if "SelectionPattern" not in each]
    template = chosen["ResponseTemplates"]["application/json"]
    rendered = render(template, TemplateInput(json.dumps(service_says), context=sample_context()))
    return rendered.status or int(chosen["StatusCode"]), rendered


# Known fault 9: the API's models and the request documents disagree.


def test_the_api_takes_questions_as_long_as_the_worker_does() -> None:
    model = Draft4Validator(request_models()[model_name("manga_query")])
    assert model.is_valid({"query": "漢" * 8000})
    assert not model.is_valid({"query": "漢" * 8001})


@pytest.mark.parametrize("schema", REQUEST_SCHEMAS)
def test_no_field_is_missing_in_a_model(schema: str) -> None:
    assert names(request_models()[model_name(schema)]) == names(schema_document(schema))


# Known fault 11: templates.


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_integration_is_a_proxy_which_would_ignore_its_templates(endpoint: str) -> None:
    assert REGISTRY.integration_config(endpoint)["Type"] == "AWS"


@pytest.mark.parametrize("endpoint", ["batch", "query", "chat"])
def test_priority_path_query_and_headers_cannot_write_json_and_the_api_key_is_not_copied(endpoint: str) -> None:
    body = {**valid_body(ENDPOINTS[endpoint].schema or ""), "priority": HOSTILE}
    given = TemplateInput(
        json.dumps(body),
        path={"request_id": HOSTILE},
        query={"priority": HOSTILE},
        headers={"X-Api-Key": API_KEY_VALUE, "Content-Type": HOSTILE, "Accept-Language": HOSTILE},
        context=sample_context(),
        stage_variables=STAGE_VARIABLES,
    )
    text = render(REGISTRY.get(endpoint), given).text
    started = json.loads(json.loads(text)["input"])
    assert (started["partner_id"], started["message"]["body"]) == (sample_context()["identity"]["apiKeyId"], body)
    assert API_KEY_VALUE not in text


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [(endpoint, status) for endpoint in ENDPOINTS for status in (400, 429) if (endpoint, status) != ("results", 400)],
)  # S3 says 503
def test_a_throttled_request_is_a_429_with_a_time_to_wait(endpoint: str, status: int) -> None:
    says = {"__type": "x#ThrottlingException"}
    seen, rendered = answered(endpoint, status, says)
    assert (seen, json.loads(rendered.text)["error"]["retry_after_seconds"]) == (429, 5)


@pytest.mark.parametrize("endpoint", ["batch", "query", "chat"])
def test_the_202_is_reached_and_is_json(endpoint: str) -> None:
    output = {"status": 202, "body": json.dumps({"success": True, "data": {"status": "accepted"}})}
    seen, rendered = answered(endpoint, 200, {"status": "SUCCEEDED", "output": json.dumps(output)})
    assert (seen, json.loads(rendered.text)["data"]["status"]) == (202, "accepted")


@pytest.mark.parametrize("status", [403, 404, 500, 503])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_error_that_nobody_thought_of_tells_nothing_and_is_json(endpoint: str, status: int) -> None:
    seen, rendered = answered(endpoint, status, {"message": 'role arn:aws:iam::1:role/"submit" is denied'})
    assert seen == (429 if status == 503 else 404 if (endpoint, status) == ("results", 404) else 500)
    assert "arn:aws" not in json.dumps(json.loads(rendered.text))
