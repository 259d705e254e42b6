"""infra/dagster.yaml and deploy/ agree, settings are told once and for all, secrets stay in Secrets Manager."""

import json
import re
from typing import Any

import pytest

from manga_enrichment.domain.operations.switches import WHILE_EMPTY
from manga_enrichment.settings import Settings
from manga_enrichment_tests.documents import REPOSITORY
from manga_enrichment_tests.infra.dagster_stack import (
    COMPOSE,
    INSTANCE,
    LAUNCHES,
    PARAMETERS,
    RESOURCES,
    SERVICES,
    TASKS,
    WORKERS,
    WORKSPACE,
    as_list,
    container,
    environment,
    properties,
    references,
    secrets,
    statements,
    text,
)
from manga_enrichment_tests.infra.templates import read_template

# What is there once.


def test_there_is_never_a_second_daemon() -> None:
    """Two would both launch what is due: the former ends before the next begins, and no more are asked for than one."""
    deployment = SERVICES["DaemonService"]["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    assert SERVICES["DaemonService"]["DesiredCount"] == {"!If": ["IsOn", 1, 0]}
    assert [name for name, each in SERVICES.items() if each["TaskDefinition"] == {"!Ref": "DaemonTask"}] == [
        "DaemonService"
    ]


def test_there_is_never_a_second_version_under_the_code_servers_name() -> None:
    deployment = SERVICES["CodeServerService"]["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)


def test_the_launcher_takes_over_how_the_daemon_was_launched() -> None:
    """dagster-aws looks for `launchType`, which a task of a capacity provider has not."""
    assert {each["LaunchType"] for each in SERVICES.values()} == {"FARGATE"}
    assert not [name for name, each in SERVICES.items() if "CapacityProviderStrategy" in each]


# The template and deploy/.


@pytest.mark.parametrize("task", TASKS)
def test_a_process_has_all_that_its_instance_reads(task: str) -> None:
    given = {*environment(task), *secrets(task)}
    read = references("dagster.yaml") - (set() if task in LAUNCHES else {"MANGA_RUN_TASK_DEFINITION"})
    if task in ("WebserverTask", "DaemonTask"):
        read |= references("workspace.yaml")
    assert read <= given
    settings = {name for name in given if name.startswith("MANGA_") and name not in references("dagster.yaml")}
    assert given == read | settings | {"AWS_DEFAULT_REGION"}
    assert bool(settings) == (task in WORKERS), "the code reads settings, webserver and daemon do not"


def test_a_run_is_what_the_launcher_expects() -> None:
    launcher = INSTANCE["run_launcher"]["config"]
    assert container("RunTask")["Name"] == launcher["container_name"]
    assert environment("DaemonTask")["MANGA_RUN_TASK_DEFINITION"] == {"!Ref": "RunTask"}
    task = properties("RunTask")
    assert (task["Cpu"], task["Memory"]) == (launcher["run_resources"]["cpu"], launcher["run_resources"]["memory"])
    assert launcher["secrets_tag"] is None
    assert "Command" not in container("RunTask")


def test_the_database_is_the_one_that_the_instance_asks_for() -> None:
    asked = INSTANCE["storage"]["postgres"]["postgres_db"]
    database = properties("Database")
    assert database["DBName"]["!If"][2] == asked["db_name"]
    user = {environment(task)["DAGSTER_PG_USER"] for task in TASKS}
    template = json.loads(properties("DatabaseSecret")["GenerateSecretString"]["SecretStringTemplate"])
    assert user == {database["MasterUsername"]["!If"][2]} == {template["username"]}
    assert {str(environment(task)["DAGSTER_PG_HOST"]) for task in TASKS} == {"{'!GetAtt': 'Database.Endpoint.Address'}"}
    (*_,) = ports = {each["FromPort"] for each in properties("DatabaseGroup")["SecurityGroupIngress"]}
    assert ports == {asked["port"]}


def test_servers_find_the_code_server() -> None:
    (server,) = (each["grpc_server"] for each in WORKSPACE["load_from"])
    assert {each["FromPort"] for each in properties("CodeServerGroup")["SecurityGroupIngress"]} == {server["port"]}
    assert container("CodeServerTask")["PortMappings"] == [{"ContainerPort": server["port"]}]
    name = f"{properties('CodeServerName')['Name']}.{text(properties('Names')['Name'])}"
    assert {text(environment(task)["CODE_SERVER_HOST"]) for task in ("WebserverTask", "DaemonTask")} == {name}


@pytest.mark.parametrize(
    ("task", "service"), [("CodeServerTask", "code"), ("WebserverTask", "webserver"), ("DaemonTask", "daemon")]
)
def test_a_server_starts_as_it_does_in_compose(task: str, service: str) -> None:
    of_compose = re.sub(r"\s*\\?\n\s*", " ", COMPOSE["services"][service]["command"][-1]).strip()
    assert of_compose.endswith(f"exec {' '.join(container(task)['Command'])}")


# Settings.


def test_code_server_and_runs_are_told_the_same() -> None:
    def told(task: str) -> dict[str, Any]:
        return {name: value for name, value in environment(task).items() if name != "MANGA_RUN_TASK_DEFINITION"}

    assert told("CodeServerTask") == told("RunTask")
    assert secrets("CodeServerTask") == secrets("RunTask")
    assert container("CodeServerTask")["EnvironmentFiles"] == container("RunTask")["EnvironmentFiles"]


def test_every_setting_that_is_told_is_one() -> None:
    names = {f"MANGA_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in (*environment("RunTask"), *secrets("RunTask")) if name.startswith("MANGA_")} <= names


BY_STACKS = {
    "storage.yaml": [
        "ResultsBucketName",
        "ResultsTableName",
        "RequestStatusTableName",
        "BudgetTableName",
        "SendersTableName",
    ],
    "outbox.yaml": ["OutboxTableName"],
    "queues.yaml": ["AlertsTopicArn", "ResultsTopicArn"],
    "rights.yaml": ["ProcessPolicyArn", "BrowsingPolicyArn", "EditingPolicyArn"],
    "registry.yaml": ["RepositoryArn", "RepositoryUri"],
    "api.yaml": ["ApiUrl"],
}


@pytest.mark.parametrize("stack", BY_STACKS)
def test_what_another_stack_says_cannot_be_forgotten(stack: str) -> None:
    for name in BY_STACKS[stack]:
        assert name in read_template(stack)["Outputs"]
        assert "Default" not in PARAMETERS[name], name
        assert f"'{name}'" in str(RESOURCES) or "${" + name + "}" in str(RESOURCES), name


OFF_UNTIL_SAID = {
    "email_from": "a sender that SES has verified comes first",
    "budget_usd_per_run": "by SettingsFileArn",
    "budget_usd_per_partner_per_day": "by SettingsFileArn",
    "guardrail_id": "by SettingsFileArn",
    "batch_min_titles": "by SettingsFileArn",
    "browse_url": "pages of titles have a name of their own, which comes first: BrowseHost",
}


def test_nothing_else_is_off_because_nobody_said_it() -> None:
    """Whatever doctor would call off is told by the template itself, or is a choice that is named here."""
    image = re.findall(r"^ +(MANGA_\w+)=", (REPOSITORY / "deploy" / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    told = {*environment("RunTask"), *secrets("RunTask"), *image}
    conditional = {each["!If"][1]["Name"] for each in container("RunTask")["Environment"] if "!If" in each}
    asked_for = {"MANGA_API_URL"}  # has no default: whoever has no API says so
    for name in WHILE_EMPTY:
        variable = f"MANGA_{name.upper()}"
        is_on = variable in told and (variable not in conditional or variable in asked_for)
        assert is_on != (name in OFF_UNTIL_SAID), name


# Secrets.


@pytest.mark.parametrize("task", TASKS)
def test_a_secret_is_a_reference_and_given_to_those_who_use_it(task: str) -> None:
    wanted = {"DAGSTER_PG_PASSWORD"} | ({"MANGA_CALLBACK_SECRET"} if task in WORKERS else set())
    assert set(secrets(task)) == wanted
    assert not [name for name in environment(task) if re.search("PASSWORD|SECRET|TOKEN$|KEY$", name)]
    agent = properties(task)["ExecutionRoleArn"]["!GetAtt"].removesuffix(".Arn")
    (statement,) = (each for each in statements(agent) if each.get("Sid") == "Secrets")
    assert len(as_list(statement["Resource"])) == len(wanted)


def test_no_secret_has_a_value_in_the_template() -> None:
    for name, each in RESOURCES.items():
        if each["Type"] == "AWS::SecretsManager::Secret":
            assert "SecretString" not in each["Properties"], name
            assert each["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32, name
    assert "{{resolve:secretsmanager:" in properties("Database")["MasterUserPassword"]["!Sub"]
