"""Each task of infra/dagster.yaml may do what it does and no more; who reaches whom.

Calls are read from the source of dagster-aws, as its version has it.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import botocore.session
import dagster_aws.ecs.launcher
import dagster_aws.ecs.tasks
import dagster_aws.ecs.utils
import dagster_aws.s3.compute_log_manager
import pytest
from botocore import xform_name

from manga_enrichment_tests.infra.dagster_stack import (
    LAUNCHES,
    PARAMETERS,
    RESOURCES,
    SERVICES,
    TASKS,
    TEMPLATE,
    WORKERS,
    as_list,
    given,
    properties,
    role_of,
    statements,
    text,
)


def operations(service: str) -> dict[str, str]:
    model = botocore.session.Session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def calls(service: str, receiver: str, *sources: Any) -> Iterator[str]:
    """Rights by the names of the operations that modules, classes or functions ask of a client of this name."""
    known = operations(service)
    for source in sources:
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(source)))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).rsplit(".", 1)[-1] == receiver:
                operation = known.get(node.attr)
                if operation:
                    yield f"{service}:{operation}"


LAUNCHER = (dagster_aws.ecs.launcher, dagster_aws.ecs.tasks, dagster_aws.ecs.utils)
NOT_MADE = {"ecs:RegisterTaskDefinition": "runs have a task definition already"}
BESIDE = {
    "ecs:TagResource": "RunTask with tags",
    "iam:PassRole": "RunTask of a task with roles",
    "ec2:DescribeNetworkInterfaces": "ec2.NetworkInterface(...) in tasks.py",
}


def test_the_daemon_may_do_what_the_launcher_does_and_nothing_else() -> None:
    made = {
        *calls("ecs", "ecs", *LAUNCHER),
        *calls("logs", "logs", *LAUNCHER),
        *calls("logs", "logs_client", *LAUNCHER),
    }
    assert {"ecs:RunTask", "ecs:StopTask", "ecs:DescribeTasks", "logs:GetLogEvents"} <= made
    assert given(role_of("DaemonTask")) == (made - set(NOT_MADE)) | set(BESIDE)
    assert ".NetworkInterface(" in inspect.getsource(dagster_aws.ecs.tasks)


def test_whoever_makes_the_launcher_may_ask_what_a_run_is() -> None:
    assert "self.ecs.describe_task_definition" in inspect.getsource(dagster_aws.ecs.launcher.EcsRunLauncher.__init__)
    assert all("ecs:DescribeTaskDefinition" in given(role_of(task)) for task in LAUNCHES)
    ending = {*calls("ecs", "ecs", dagster_aws.ecs.launcher.EcsRunLauncher.terminate)}
    assert ending == {"ecs:DescribeTasks", "ecs:StopTask"} <= given(role_of("WebserverTask"))


S3_RIGHTS = {
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:DeleteObjects": "s3:DeleteObject",
}


def test_captured_logs_are_written_by_who_works_read_by_the_ui_and_deleted_by_a_run() -> None:
    manager = dagster_aws.s3.compute_log_manager
    made = {S3_RIGHTS[each] for each in calls("s3", "_s3_session", manager)}
    assert made == {"s3:ListBucket", "s3:GetObject", "s3:DeleteObject"}
    source = inspect.getsource(manager)
    assert all(f"_s3_session.{each}(" in source for each in ("upload_fileobj", "download_fileobj"))
    of = {task: {right for right in given(role_of(task)) if right.startswith("s3:")} for task in TASKS}
    assert of == {
        "CodeServerTask": {"s3:PutObject"},
        "RunTask": {"s3:PutObject", "s3:DeleteObject", "s3:ListBucket"},
        "WebserverTask": {"s3:GetObject", "s3:ListBucket"},
        "DaemonTask": set(),
    }


def test_our_own_rights_are_those_of_who_runs_our_code() -> None:
    """infra/rights.yaml, which its own test holds to the calls of aws/."""
    with_them = [
        task for task in TASKS if {"!Ref": "ProcessPolicyArn"} in properties(role_of(task)).get("ManagedPolicyArns", ())
    ]
    assert with_them == list(WORKERS)


@pytest.mark.parametrize("role", [name for name, each in RESOURCES.items() if each["Type"] == "AWS::IAM::Role"])
def test_nothing_is_allowed_on_everything_but_where_aws_knows_no_other_way(role: str) -> None:
    unbounded = {"ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"}
    for statement in statements(role):
        assert "*" not in str(statement["Action"]), statement
        assert set(as_list(statement["Action"])) <= unbounded or statement["Resource"] != "*", statement


def test_runs_are_started_in_this_cluster_and_with_the_roles_of_runs_alone() -> None:
    by_sid = {each["Sid"]: each for each in statements("DaemonRole")}
    family = text(properties("RunTask")["Family"])
    assert text(by_sid["LaunchRuns"]["Resource"]).endswith(f":task-definition/{family}:*")
    assert by_sid["LaunchRuns"]["Condition"] == {"ArnEquals": {"ecs:cluster": {"!GetAtt": "Cluster.Arn"}}}
    run = properties("RunTask")
    assert by_sid["RolesOfRuns"]["Resource"] == [run["TaskRoleArn"], run["ExecutionRoleArn"]]
    assert by_sid["RolesOfRuns"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


# Who reaches whom.


def test_only_the_load_balancer_hears_of_people() -> None:
    ingress = {
        name: [
            each.get("SourceSecurityGroupId", each.get("CidrIp"))
            for each in properties(name).get("SecurityGroupIngress", ())
        ]
        for name, resource in RESOURCES.items()
        if resource["Type"] == "AWS::EC2::SecurityGroup"
    }
    assert ingress == {
        "LoadBalancerGroup": [{"!Ref": "ClientCidr"}],
        "WebserverGroup": [{"!Ref": "LoadBalancerGroup"}],
        "BrowseGroup": [{"!Ref": "LoadBalancerGroup"}],
        "WorkerGroup": [],
        "CodeServerGroup": [{"!Ref": "WebserverGroup"}, {"!Ref": "WorkerGroup"}],
        "DatabaseGroup": [{"!Ref": "WebserverGroup"}, {"!Ref": "WorkerGroup"}, {"!Ref": "CodeServerGroup"}],
    }
    assert properties("LoadBalancer")["Scheme"] == "internal"
    assert {each["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] for each in SERVICES.values()} == {
        "DISABLED"
    }


def test_who_somebody_is_is_asked_before_anything_is_shown_and_over_https_alone() -> None:
    asks, shows = properties("WebserverListener")["DefaultActions"]
    condition, oidc, _ = asks["!If"]
    assert (condition, oidc["Type"], oidc["Order"]) == ("HasOidc", "authenticate-oidc", 1)
    assert (shows["Type"], shows["Order"]) == ("forward", 2)
    config = oidc["AuthenticateOidcConfig"]
    assert config["OnUnauthenticatedRequest"] == "authenticate"
    assert config["ClientSecret"]["!Sub"].startswith("{{resolve:secretsmanager:")
    rule = TEMPLATE["Rules"]["WhoAsksKnowsWhom"]
    asserted = {each["Assert"]["!Not"][0]["!Equals"][0]["!Ref"] for each in rule["Assertions"]}
    assert asserted == {
        "CertificateArn",
        *(name for name in PARAMETERS if name.startswith("Oidc") and name != "OidcIssuer"),
    }
