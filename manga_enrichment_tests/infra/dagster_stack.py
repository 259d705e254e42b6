"""Reading infra/dagster.yaml: its tasks, what they are given, what they may do."""

import re
from pathlib import Path
from typing import Any

import yaml

from manga_enrichment_tests.infra.templates import read_template

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TEMPLATE = read_template("dagster.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]
INSTANCE, COMPOSE, WORKSPACE = (
    yaml.safe_load((DEPLOY / name).read_text("utf-8")) for name in ("dagster.yaml", "compose.yaml", "workspace.yaml")
)
TASKS = ("CodeServerTask", "WebserverTask", "DaemonTask", "RunTask")
LAUNCHES = ("CodeServerTask", "WebserverTask", "DaemonTask")
"""Processes that make the launcher: to launch, to end, or to ask which it is."""
WORKERS = ("CodeServerTask", "RunTask")
SERVICES = {name: each["Properties"] for name, each in RESOURCES.items() if each["Type"] == "AWS::ECS::Service"}


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def container(task: str) -> dict[str, Any]:
    (only,) = properties(task)["ContainerDefinitions"]
    return dict(only)


def environment(task: str) -> dict[str, Any]:
    """Name -> value; of what stands there on a condition, too."""
    variables = [each["!If"][1] if "!If" in each else each for each in container(task)["Environment"]]
    return {each["Name"]: each["Value"] for each in variables}


def secrets(task: str) -> dict[str, Any]:
    return {each["Name"]: each["ValueFrom"] for each in container(task)["Secrets"]}


def references(text: str) -> set[str]:
    """Variables that a file of deploy/ reads where it is used."""
    return set(re.findall(r"env: (\w+)", (DEPLOY / text).read_text("utf-8")))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: str) -> list[dict[str, Any]]:
    found = properties(role).get("Policies", ())
    own = [statement for policy in found for statement in policy["PolicyDocument"]["Statement"]]
    return [each["!If"][1] if "!If" in each else each for each in own]


def given(role: str) -> set[str]:
    return {action for statement in statements(role) for action in as_list(statement["Action"])}


def role_of(task: str) -> str:
    return str(properties(task)["TaskRoleArn"]["!GetAtt"]).removesuffix(".Arn")


def text(value: Any) -> str:
    """What a name without a stage comes to."""
    return str(value["!Sub"]) if isinstance(value, dict) else str(value)
