"""infra/api.yaml is what the generator makes, lets nobody in without a key, and may do no more than it must."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from manga_enrichment.api.cloudformation import template_document, template_yaml
from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.api.registry import PARTNERS_PLACEHOLDER, TemplateRegistry
from manga_enrichment.api.rest_api import RESULTS_BUCKET
from manga_enrichment.api.stage import ACCESS_LOG_FIELDS, BUDGET_TABLE, STATUS_TABLE
from manga_enrichment.cli import main
from manga_enrichment.domain.requests.policies import PolicyError
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.infra.templates import with_stage

INFRA = Path(__file__).resolve().parents[2] / "infra"
TEMPLATE = INFRA / "api.yaml"
REGISTRY = TemplateRegistry()
_KEYS = REGISTRY.keys()
ASKING = sum(PARTNERS_PLACEHOLDER in REGISTRY.get(each.endpoint, each.status) for each in _KEYS)
"""Templates that ask who the partner is."""


@pytest.fixture(scope="module")
def resources() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(TEMPLATE.read_text("utf-8"))["Resources"])


def of_type(resources: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == f"AWS::{kind}"}


def test_the_committed_template_is_current() -> None:
    result = CliRunner().invoke(main, ["api-template"])
    assert result.exit_code == 0
    assert result.output == TEMPLATE.read_text("utf-8"), "run: manga-enrichment api-template > infra/api.yaml"


def test_every_method_needs_a_key_and_validates_what_comes(resources: dict[str, dict[str, Any]]) -> None:
    methods = of_type(resources, "ApiGateway::Method")
    assert len(methods) == len(ENDPOINTS)
    for method in methods.values():
        assert method["ApiKeyRequired"] is True
        assert method["RequestValidatorId"] == {"Ref": "RequestValidator"}
        assert method["HttpMethod"] in ("GET", "DELETE") or method["RequestModels"].keys() == {"application/json"}
    (validator,) = of_type(resources, "ApiGateway::RequestValidator").values()
    assert (validator["ValidateRequestBody"], validator["ValidateRequestParameters"]) == (True, True)


def test_every_status_that_a_template_can_choose_is_declared(resources: dict[str, dict[str, Any]]) -> None:
    for name, endpoint in ENDPOINTS.items():
        declared = resources[f"{name.capitalize()}Method"]["Properties"]["MethodResponses"]
        assert [int(each["StatusCode"]) for each in declared] == list(endpoint.statuses)


def test_each_role_may_do_one_thing_to_one_workflow_or_table(
    resources: dict[str, dict[str, Any]],
) -> None:
    roles = of_type(resources, "IAM::Role")
    allowed = {
        name: [
            (statement["Action"], statement["Resource"])
            for policy in role["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            if "Action" in statement
        ]
        for name, role in roles.items()
    }
    workflow = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${WorkflowName}"
    table = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}"
    status, budget = {"Table": STATUS_TABLE}, {"Table": BUDGET_TABLE}
    bucket = ["arn:${AWS::Partition}:s3:::${Bucket}", {"Bucket": RESULTS_BUCKET}]
    results = [f"{bucket[0]}/fm-results/*", bucket[1]]
    assert with_stage(allowed) == with_stage(
        {
            "ResultsRole": [("s3:GetObject", {"Fn::Sub": results}), ("s3:ListBucket", {"Fn::Sub": bucket})],
            "SubmitRole": [("states:StartSyncExecution", {"Fn::Sub": workflow})],
            "StatusRole": [("dynamodb:GetItem", {"Fn::Sub": [table, status]})],
            "CancelRole": [("dynamodb:UpdateItem", {"Fn::Sub": [table, status]})],
            "ListRole": [("dynamodb:Query", {"Fn::Sub": [f"{table}/index/by_partner", status]})],
            "UsageRole": [("dynamodb:BatchGetItem", [{"Fn::Sub": [table, status]}, {"Fn::Sub": [table, budget]}])],
        }
    )
    for role in roles.values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert json.dumps([role["Policies"] for role in roles.values()]).count("*") == 2  # both below fm-results/


def test_the_access_log_has_no_body_no_key_and_no_text_of_a_client(resources: dict[str, dict[str, Any]]) -> None:
    told = set(ACCESS_LOG_FIELDS.values())
    assert not {each for each in told if "apiKey" in each} - {"$context.identity.apiKeyId"}
    assert not told & {"$context.path", "$context.identity.userAgent", "$context.error.validationErrorString"}
    assert not any(each.startswith(("$input", "$method", "$request")) for each in told)
    (stage,) = of_type(resources, "ApiGateway::Stage").values()
    setting = stage["AccessLogSetting"]["Fn::If"][1]
    assert json.loads(setting["Format"]) == ACCESS_LOG_FIELDS
    (methods,) = stage["MethodSettings"]
    assert (methods["DataTraceEnabled"], methods["LoggingLevel"]) == (False, "OFF")


def limits_of(plan: dict[str, Any]) -> tuple[Any, ...]:
    assert plan["Quota"]["Period"] == "DAY"
    return plan["Throttle"]["RateLimit"], plan["Throttle"]["BurstLimit"], plan["Quota"]["Limit"]


def test_each_partner_has_a_plan_with_the_limits_of_its_policy() -> None:
    partners = {
        "acme": {"keys": ["acme-1", "acme-2"], "requests_per_second": 50, "burst": 100, "requests_per_day": 1_000_000},
        "globex": {"keys": ["globex-1"], "requests_per_day": 500},
        "initech": ["initech-1"],
    }
    resources = template_document(partners, TemplateRegistry())["Resources"]
    plans = of_type(resources, "ApiGateway::UsagePlan")
    rate, burst, day = ({"Ref": f"Partner{name}"} for name in ("RequestsPerSecond", "Burst", "RequestsPerDay"))
    assert {name: limits_of(plan) for name, plan in plans.items()} == {
        "PlanAcme": (50, 100, 1_000_000),
        "PlanGlobex": (rate, burst, 500),
        "PlanInitech": (rate, burst, day),
        "UsagePlan": (rate, burst, day),  # of keys that are made by hand
    }
    in_plan = of_type(resources, "ApiGateway::UsagePlanKey").values()
    assert sorted((each["KeyId"]["Ref"], each["UsagePlanId"]["Ref"]) for each in in_plan) == [
        ("KeyAcme1", "PlanAcme"),
        ("KeyAcme2", "PlanAcme"),
        ("KeyGlobex1", "PlanGlobex"),
        ("KeyInitech1", "PlanInitech"),
    ]


def test_a_key_is_in_a_plan_and_its_value_in_no_file(resources: dict[str, dict[str, Any]]) -> None:
    keys = of_type(resources, "ApiGateway::ApiKey")
    in_plan = {each["KeyId"]["Ref"] for each in of_type(resources, "ApiGateway::UsagePlanKey").values()}
    assert keys.keys() == in_plan != set()
    assert not any("Value" in key for key in keys.values())  # AWS makes them up; they are in no file


@pytest.mark.parametrize(
    ("name", "most"),
    [("workflow.yaml", 51_200), ("api.yaml", 1_000_000)],  # what CloudFormation takes, by itself and from a bucket
)
def test_a_template_is_small_enough_to_be_deployed(name: str, most: int) -> None:
    assert len((INFRA / name).read_bytes()) <= most


def test_templates_are_substituted_for_key_ids_alone() -> None:
    """Fn::Sub would take any other ${...} of a template for a name of CloudFormation."""
    registry = TemplateRegistry()
    templates = [registry.get(key.endpoint, key.status) for key in registry.keys()]  # noqa: SIM118
    assert templates
    assert not [each for each in templates if "${" in each]


def test_results_are_fetched_below_the_partner_of_the_key_whatever_the_client_says(
    resources: dict[str, dict[str, Any]],
) -> None:
    integration = resources["ResultsMethod"]["Properties"]["Integration"]
    assert integration["Uri"]["Fn::Sub"][0].endswith(":s3:path/${Bucket}/fm-results/{partner}/{document}")
    assert integration["IntegrationHttpMethod"] == "GET"
    assert integration["RequestParameters"]["integration.request.path.partner"] == "context.identity.apiKeyId"
    parameters = resources["ResultsMethod"]["Properties"]["RequestParameters"]
    assert parameters == {"method.request.path.request_id": True}


def test_a_change_of_anything_in_the_snapshot_makes_a_new_deployment() -> None:
    def deployment(partners: dict[str, list[str]], registry: TemplateRegistry) -> str:
        found = template_document(partners, registry)["Resources"]
        (name,) = (name for name, each in found.items() if each["Type"] == "AWS::ApiGateway::Deployment")
        return str(name)

    changed = TemplateRegistry()
    changed.register("batch", '{"success": false}', 500)
    names = [
        deployment({"acme": ["acme-1"]}, TemplateRegistry()),
        deployment({"acme": ["acme-1", "acme-2"]}, TemplateRegistry()),
        deployment({"acme": ["acme-1"]}, changed),
    ]
    assert len(set(names)) == 3
    assert deployment({"acme": ["acme-1"]}, TemplateRegistry()) == names[0]


def test_two_keys_of_a_partner_stand_in_every_template_that_knows_partners() -> None:
    text = template_yaml({"acme": ["acme-1", "acme-2"], "rival": ["rival-1"]})
    line = "#set($partners = {'${KeyAcme1}': 'acme', '${KeyAcme2}': 'acme', '${KeyRival1}': 'rival'})"
    assert text.count(line) == ASKING


def test_a_key_made_by_hand_and_a_limit_for_all_are_in_the_template() -> None:
    partners: dict[str, Any] = {"*": {"burst": 7}, "acme": {"keys": ["acme-1"], "key_ids": ["a1b2c3"]}}
    text = template_yaml(partners)
    assert text.count("#set($partners = {'${KeyAcme1}': 'acme', 'a1b2c3': 'acme'})") == ASKING
    plans = of_type(template_document(partners, TemplateRegistry())["Resources"], "ApiGateway::UsagePlan")
    assert limits_of(plans["PlanAcme"])[1] == 7


@pytest.mark.parametrize(
    ("partners", "problem"),
    [
        ({"ac'me": ["a"]}, "no partner id"),
        ({"": ["a"]}, "no partner id"),
        ({"acme\n": ["a"]}, "no partner id"),
        ({"acme": ["a'b"]}, "acme.keys.0: must match"),
        ({"acme": ["same"], "rival": ["Same"]}, "rival.keys.0: is there twice"),
        ({"acme": ["same", "same"]}, "is there twice"),
        ({"a-b": ["a"], "a_b": ["b"]}, "is there twice"),
        ({"acme": ["a-b", "ab"], "rival": ["aB"]}, "is there twice"),
        ({"acme": {"limits": 1}}, "acme: has unknown fields: 'limits'"),
        ({"acme": {"keys": ["a"], "requests_per_day": 0}}, "acme.requests_per_day: must be at least 1"),
        ({"acme": {"keys": ["a"], "burst": 1.5}}, "acme.burst: must be a whole number"),
        ({"acme": {"keys": ["a"], "burst": True}}, "acme.burst: must be a whole number"),
        ({"acme": {"keys": ["a"], "requests_per_second": "9"}}, "acme.requests_per_second: must be a number"),
    ],
)
def test_a_list_of_partners_that_cannot_be_used_is_refused(
    partners: dict[str, list[str]], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(PolicyError, match=problem):
        template_yaml(partners)
    file = tmp_path / "partners.json"
    file.write_text(json.dumps(partners), "utf-8")
    result = CliRunner().invoke(main, ["api-template", "--partners", str(file)])
    assert result.exit_code == 1
    assert problem in result.output


def test_the_local_stack_has_the_api_with_all_its_methods_and_models(local_stack: LocalStack) -> None:
    client, api_id = local_stack.client("apigateway"), local_stack.outputs["ApiId"]
    found = client.get_resources(restApiId=api_id, embed=["methods"])["items"]
    methods = {(each["path"], method) for each in found for method in each.get("resourceMethods", {})}
    assert methods == {(each.path, each.method) for each in ENDPOINTS.values()}
    models = {model["name"] for model in client.get_models(restApiId=api_id)["items"]}
    assert models >= {"BatchAnalysisRequest", "MangaQueryRequest", "StreamingChatRequest"}
