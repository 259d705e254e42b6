"""The registry gives, takes and checks templates, and no unsound one gets in."""

import json
import re
from itertools import combinations

import pytest

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.api.registry import TemplateKey, TemplateRegistry, UnknownTemplateError, with_partners

KEYS = TemplateRegistry().keys()
# The HTTP statuses that the services answer with: success, any error of the caller, throttling by status, outages.
SERVICE_STATUSES = (200, 400, 403, 404, 413, 429, 500, 503, 504)


@pytest.fixture
def registry() -> TemplateRegistry:
    return TemplateRegistry()


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_every_shipped_template_passes_its_own_validator(registry: TemplateRegistry, key: TemplateKey) -> None:
    assert registry.validate(key.endpoint, registry.get(key.endpoint, key.status), key.status) == []


def test_each_endpoint_has_a_request_template_and_one_for_each_answer(registry: TemplateRegistry) -> None:
    assert {(key.endpoint, key.status) for key in KEYS} == {
        *((name, None) for name in ENDPOINTS),
        *((name, status) for name in ("batch", "query", "chat", "quote") for status in (202, 429, 500)),
        *((name, status) for name in ("status", "list", "usage") for status in (200, 429, 500)),
        *(("cancel", status) for status in (202, 429, 500)),
        *(("results", status) for status in (200, 404, 429, 500)),
    }


@pytest.mark.parametrize(
    ("status", "template", "problem"),
    [
        (500, "#if($input.body){}", "no Velocity template"),
        (500, '{"success": false', "no JSON object"),
        (500, '{"success": false, "success": false}', "a key twice"),
        (500, '{"success": true}', "`success`"),
        (500, '{"success": false, "message": "$context.requestId"}', "no JSON object"),
        (500, '{"success": false, "message": "$util.escapeJavaScript($context.requestId)"}', "no JSON object"),
        (500, '{"success": false, "cause": $input.json(\'$\')}', "no JSON object"),
        (202, '{"success": true, "states": "$util.escapeJavaScript($input.json(\'$\'))"}', "no JSON object"),
        (None, "Action=SendMessage", "no StartSyncExecution"),
        (None, '{"stateMachineArn": "another", "input": "{}"}', "the machine is not the stage's"),
        (None, '{"stateMachineArn": "$stageVariables.workflow", "input": "{}"}', "other fields"),
    ],
)
def test_an_unsound_template_is_refused_with_the_reason(
    registry: TemplateRegistry, status: int | None, template: str, problem: str
) -> None:
    assert any(problem in each for each in registry.validate("batch", template, status))
    before = registry.get("batch", status)
    with pytest.raises(ValueError, match=f"batch {status or 'request'} is not sound"):
        registry.register("batch", template, status)
    assert registry.get("batch", status) == before


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        ("$util.escapeJavaScript($input.json('$'))", "$input.json('$')", "no StartSyncExecution"),
        ("$util.escapeJavaScript($input.json('$'))", "$util.escapeJavaScript($input.body)", None),
        ("= $context.identity.apiKeyId", "= $input.path('$.partner_id')", "that of the request's context"),
        (r"\"source\": \"api\"", r"\"source\": \"api\", \"more\": 1", "exactly its keys"),
        (r"\"source\": \"api\"", r"\"key\": \"$context.identity.apiKey\"", "exactly its keys"),
        ('"group": $group', '"x": $group', "other fields"),
        ('"group": $group', '"group": $context.identity.apiKey', "gives away"),
        ('"group": $group', "\"group\": $input.params('X-Api-Key')", "gives away"),
    ],
)
def test_each_way_to_spoil_the_request_template_is_found(
    registry: TemplateRegistry, was: str, becomes: str, problem: str | None
) -> None:
    template = registry.get("batch")
    assert was in template
    found = registry.validate("batch", template.replace(was, becomes))
    assert re.search(problem, " ".join(found)) if problem else found == []


def test_a_sound_template_takes_the_place_of_a_shipped_one(registry: TemplateRegistry) -> None:
    mine = '{"success": false, "error": {"code": "INTERNAL_ERROR"}}'
    registry.register("query", mine, 500)
    assert registry.get("query", 500) == mine
    responses = registry.integration_config("query")["IntegrationResponses"]
    assert [each["ResponseTemplates"]["application/json"] for each in responses if each["StatusCode"] == "500"] == [
        mine
    ]
    assert TemplateRegistry().get("query", 500) != mine


@pytest.mark.parametrize(("endpoint", "status"), [("nothing", None), ("batch", 418)])
def test_an_unknown_place_is_an_error_that_says_which_there_are(
    registry: TemplateRegistry, endpoint: str, status: int | None
) -> None:
    for ask in (lambda: registry.get(endpoint, status), lambda: registry.register(endpoint, "{}", status)):
        with pytest.raises(UnknownTemplateError, match=r"there are: batch request, batch 202"):
            ask()
    with pytest.raises(UnknownTemplateError, match="there are: batch, query, chat, quote, status"):
        registry.integration_config("nothing")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_integration_is_of_the_type_that_uses_templates(registry: TemplateRegistry, endpoint: str) -> None:
    config = registry.integration_config(endpoint)
    assert (config["Type"], config["PassthroughBehavior"]) == ("AWS", "NEVER")
    assert config["RequestTemplates"]["application/json"] == registry.get(endpoint)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_answer_of_a_service_matches_two_patterns_and_each_response_is_reachable(
    registry: TemplateRegistry, endpoint: str
) -> None:
    responses = registry.integration_config(endpoint)["IntegrationResponses"]
    patterns = {each["StatusCode"]: each["SelectionPattern"] for each in responses if "SelectionPattern" in each}
    matched = {
        code: {status for status in SERVICE_STATUSES if re.fullmatch(pattern, str(status))}
        for code, pattern in patterns.items()
    }
    assert all(matched.values())
    assert not any(one & other for one, other in combinations(matched.values(), 2))
    assert 429 in matched["429"]
    assert 200 in matched["200" if endpoint in ("status", "list", "usage", "results") else "202"]
    defaults = [each["StatusCode"] for each in responses if "SelectionPattern" not in each]
    assert defaults == ["500"]  # what nothing matches gives nothing away


def test_every_template_that_asks_for_the_partner_learns_the_partners(registry: TemplateRegistry) -> None:
    for key in KEYS:
        template = registry.get(key.endpoint, key.status)
        assert ("$partner" in template) == (with_partners(template, {"k": "p"}) != template), key
    config = registry.integration_config("status", {"a1b2": "acme", "c3d4": "acme"})
    assert "#set($partners = {'a1b2': 'acme', 'c3d4': 'acme'})" in json.dumps(config)
