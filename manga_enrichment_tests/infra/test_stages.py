"""Two stages share an account and a region: no template gives a name that the other stage's stack has, too."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.domain.operations.stages import STAGE_PATTERN, staged, unstaged
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, QUEUES
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.provision import STACK_TEMPLATES, deploy_stack
from manga_enrichment.settings import Settings
from manga_enrichment_tests.infra.templates import INFRA, read_template

STAGE = "staging"
TEMPLATES = sorted(path.name for path in INFRA.glob("*.yaml"))
NAMES = {
    "AWS::ApiGateway::ApiKey": "Name",
    "AWS::ApiGateway::RestApi": "Name",
    "AWS::ApiGateway::UsagePlan": "UsagePlanName",
    "AWS::Athena::WorkGroup": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::ECS::TaskDefinition": "Family",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::ServiceDiscovery::PrivateDnsNamespace": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
"""By type the property whose value an account and region has once."""
OF_A_PARENT = {
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Model",
    "AWS::ApiGateway::RequestValidator",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::EC2::SecurityGroup",
    "AWS::ECS::Cluster",
    "AWS::ECS::Service",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::Glue::Table",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBSubnetGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::Secret",
    "AWS::ServiceDiscovery::Service",
}
"""Named within another resource, or by CloudFormation."""


def named(stage: str) -> Iterator[tuple[str, str, Any]]:
    """(template, logical id, name) of all that has a name of its own."""
    for template in TEMPLATES:
        for logical_id, resource in read_template(template, stage)["Resources"].items():
            kind = resource["Type"]
            if kind == "AWS::Glue::Database":
                yield template, logical_id, resource["Properties"]["DatabaseInput"]["Name"]
            elif kind not in OF_A_PARENT:
                yield template, logical_id, resource["Properties"][NAMES[kind]]


def test_a_stage_is_in_every_name_and_without_one_they_are_as_ever() -> None:
    with_stage, without = list(named(STAGE)), list(named(""))
    assert len(with_stage) == len(without) > 30
    for (template, logical_id, name), (*_, plain) in zip(with_stage, without, strict=True):
        where = f"{template}: {logical_id}"
        assert "MangaStage" not in str(name) + str(plain), where
        assert STAGE in str(name), where
        assert str(name).replace(f"{STAGE}-", "").replace(f"{STAGE}_", "") == str(plain), where


LOGICAL = {"Command", "Definition", "RequestTemplates", "ResponseTemplates"}
"""What runs inside: names are without the stage there, as in our code; `QueuesUrl` has it."""


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from () if key in LOGICAL else texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


def test_whatever_names_something_of_a_stack_elsewhere_has_the_stage_too() -> None:
    """ARNs in rights, dimensions of alarms, where the workflow sends to."""
    found = 0
    for template in TEMPLATES:
        for text in texts(read_template(template, STAGE)["Resources"]):
            if re.search(r"(^|[:/])manga-(fm|enrichment)|^MangaAssist$", text):
                pytest.fail(f"{template}: {text}")
            found += f"{STAGE}-" in text
    assert found > 80
    machine = read_template("workflow.yaml", STAGE)["Resources"]["Workflow"]["Properties"]
    assert machine["DefinitionSubstitutions"]["QueuesUrl"]["Fn::Sub"].endswith(f"/{STAGE}-")


def test_settings_name_what_the_templates_made() -> None:
    ours = Settings(stage=STAGE)
    properties = {logical_id: name for _, logical_id, name in named(STAGE)}
    for setting, logical_id in {
        "ledger_table": "ResultsTable",
        "status_table": "RequestStatusTable",
        "budget_table": "BudgetTable",
        "senders_table": "SendersTable",
        "outbox_table": "OutboxTable",
    }.items():
        assert properties[logical_id]["!If"][2] == getattr(ours, setting), setting
    assert Settings(stage=STAGE, ledger_table="as-it-is").ledger_table == "as-it-is"
    assert Settings().ledger_table == "manga-fm-results"


@pytest.mark.parametrize("stage", ["Staging", "a-b", "9", "abcdefghijklm"])
def test_a_stage_that_no_name_could_have_is_refused(stage: str) -> None:
    with pytest.raises(ValueError, match="stage"):
        Settings(stage=stage)
    assert read_template("queues.yaml")["Parameters"]["MangaStage"]["AllowedPattern"] == STAGE_PATTERN


def test_every_template_takes_the_stage_in_the_same_way() -> None:
    found = [read_template(template)["Parameters"].get("MangaStage") for template in TEMPLATES]
    assert all(each == found[0] for each in found)
    assert found[0] is not None


def test_a_name_loses_its_own_stage_and_no_other() -> None:
    for name in QUEUES:
        assert unstaged(STAGE, staged(STAGE, name)) == name
        assert unstaged("", staged(STAGE, name)) == f"staging-{name}"
        assert unstaged("other", staged(STAGE, name)) == f"staging-{name}"


def test_a_second_stage_lives_beside_the_first_and_hears_nothing_of_it(local_stack: LocalStack) -> None:
    cloudformation = local_stack.client("cloudformation")
    files = {each.file_name: each.parameters for each in STACK_TEMPLATES}
    outputs: dict[str, str] = {}
    try:
        for file in ("storage.yaml", "queues.yaml", "outbox.yaml", "monitoring.yaml", "workflow.yaml"):
            parameters = {**files[file], "MangaStage": STAGE}
            outputs |= deploy_stack(cloudformation, f"{STAGE}-{file[:-5]}", INFRA / file, parameters)
        assert outputs["OutboxTableName"] == Settings(stage=STAGE).outbox_table
        assert outputs["ResultsBucketName"].startswith("staging-manga-fm-results-")
        theirs = SqsQueues(local_stack.client("sqs"), stage=STAGE)
        ours = SqsQueues(local_stack.client("sqs"))
        before = ours.depth(DEAD_LETTERS)
        theirs.send(DEAD_LETTERS, "of staging")
        (message,) = theirs.receive(DEAD_LETTERS, max_messages=1, wait_seconds=1)
        assert (message.queue, message.body) == (DEAD_LETTERS, "of staging")
        assert ours.depth(DEAD_LETTERS) == before
    finally:
        for file in ("workflow.yaml", "monitoring.yaml", "outbox.yaml", "queues.yaml", "storage.yaml"):
            cloudformation.delete_stack(StackName=f"{STAGE}-{file[:-5]}")
