"""infra/workflow.yaml is what the generator makes, may do no more than its steps, and keeps nothing of a request."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from manga_enrichment.api.stage import DEFAULT_WORKFLOW_NAME, STATUS_TABLE
from manga_enrichment.api.workflow.machine import definition
from manga_enrichment.api.workflow.stack import workflow_document
from manga_enrichment.cli import main
from manga_enrichment.domain.requests.queues import REQUEST_QUEUES
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.infra.templates import INFRA, read_template, with_stage

TEMPLATE = INFRA / "workflow.yaml"


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    return dict(read_template("workflow.yaml")["Resources"])


def test_the_committed_template_is_current() -> None:
    result = CliRunner().invoke(main, ["workflow-template"])
    assert result.exit_code == 0
    assert result.output == TEMPLATE.read_text("utf-8"), "run: manga-enrichment workflow-template > infra/workflow.yaml"


def test_the_machine_is_one_that_can_be_waited_for_and_writes_nothing_down(resources: dict[str, Any]) -> None:
    machine = resources["Workflow"]["Properties"]
    assert machine["StateMachineType"] == "EXPRESS"
    assert machine["LoggingConfiguration"] == {"Level": "OFF", "IncludeExecutionData": False}
    assert machine["TracingConfiguration"] == {"Enabled": False}
    assert machine["Definition"] == definition()


def test_the_role_may_do_what_the_steps_need_where_they_need_it() -> None:
    (policy,) = workflow_document()["Resources"]["WorkflowRole"]["Properties"]["Policies"]
    *always, with_key = policy["PolicyDocument"]["Statement"]
    here = "${AWS::Region}:${AWS::AccountId}"
    allowed = {json.dumps(each["Action"]): each["Resource"] for each in always}
    assert allowed.keys() == {
        '["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]',
        '"sqs:SendMessage"',
        '"s3:GetObject"',
    }
    table, queues, results = allowed.values()
    assert table == {"Fn::Sub": [f"arn:${{AWS::Partition}}:dynamodb:{here}:table/${{Table}}", {"Table": STATUS_TABLE}]}
    assert with_stage(queues) == [
        {"Fn::Sub": f"arn:${{AWS::Partition}}:sqs:{here}:{queue.name}"} for queue in REQUEST_QUEUES
    ]
    assert results["Fn::Sub"][0] == "arn:${AWS::Partition}:s3:::${Bucket}/fm-results/*"
    assert with_key["Fn::If"][0] == "HasKmsKey"


def test_every_service_that_a_step_calls_is_one_that_the_role_may_call() -> None:
    (policy,) = workflow_document()["Resources"]["WorkflowRole"]["Properties"]["Policies"]
    actions = [each.get("Action", []) for each in policy["PolicyDocument"]["Statement"]]
    may = {name.lower() for action in actions for name in ([action] if isinstance(action, str) else action)}
    called = {state["Resource"] for state in definition()["States"].values() if state["Type"] == "Task"}
    assert {each.removeprefix("arn:aws:states:::").removeprefix("aws-sdk:").lower() for each in called} == may


def test_the_local_stack_has_the_workflow_that_the_api_starts(local_stack: LocalStack) -> None:
    machine = local_stack.outputs["WorkflowArn"]
    assert machine.endswith(f":stateMachine:{DEFAULT_WORKFLOW_NAME}")
    stage = local_stack.client("apigateway").get_stage(
        restApiId=local_stack.outputs["ApiId"], stageName=local_stack.outputs["ApiStageName"]
    )
    assert stage["variables"]["workflow"] == machine
