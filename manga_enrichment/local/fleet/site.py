"""What stands ready for the fleet's tasks: secrets, a group of logs, a bucket, one task definition.

Belongs here: as on AWS, who is told what, and by which way. Stays out: the servers of Dagster (`fleet.py`).

Secrets go by reference: their values are in Secrets Manager, and in the environment of whoever was started with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from manga_enrichment.local.fleet.postgres import USER
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.processes import LOOPBACK

FAMILY, CONTAINER = "manga-run", "run"
LOG_GROUP = "/manga/fleet/runs"
LOGS_BUCKET = "manga-fleet-logs"
DATABASE_PASSWORD, CALLBACK_SECRET = "DAGSTER_PG_PASSWORD", "MANGA_CALLBACK_SECRET"
STOP_TIMEOUT_SECONDS = 120
"""Runs finish early when asked to end, and settle: what ECS allows them at most."""


@dataclass(frozen=True, slots=True)
class Site:
    """What Dagster's servers are given. plain: variables that may be seen; secret: those that may not, with values."""

    plain: Mapping[str, str]
    secret: Mapping[str, str]
    references: Mapping[str, str]
    task_definition: str


def make_site(
    stack: LocalStack, ecs: Any, ecs_url: str, *, postgres: tuple[int, str], given: Mapping[str, str]
) -> Site:
    """ecs: a boto3 client for it. postgres: port and password. given: variables of the code location."""
    logs, s3 = stack.client("logs"), stack.client("s3")
    _unless_it_exists(logs.create_log_group, logGroupName=LOG_GROUP)
    logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=30)
    _unless_it_exists(
        s3.create_bucket,
        Bucket=LOGS_BUCKET,
        CreateBucketConfiguration={"LocationConstraint": stack.environment()["AWS_REGION"]},
    )
    environment = {**given, **stack.environment()}
    secret = {DATABASE_PASSWORD: postgres[1], CALLBACK_SECRET: environment[CALLBACK_SECRET]}
    plain = {
        **{name: value for name, value in environment.items() if name not in secret},
        "AWS_ENDPOINT_URL_ECS": ecs_url,
        "DAGSTER_PG_HOST": LOOPBACK,
        "DAGSTER_PG_USER": USER,
        "DAGSTER_LOGS_BUCKET": LOGS_BUCKET,
    }
    references = {name: _stored(stack, name, value) for name, value in secret.items()}
    definition = ecs.register_task_definition(**_definition(plain, references))["taskDefinition"]
    return Site(plain, secret, references, str(definition["taskDefinitionArn"]))


def _definition(plain: Mapping[str, str], references: Mapping[str, str]) -> dict[str, Any]:
    options = {"awslogs-group": LOG_GROUP, "awslogs-stream-prefix": "run", "awslogs-region": plain["AWS_REGION"]}
    container = {
        "name": CONTAINER,
        "image": "manga-enrichment",
        "essential": True,
        "environment": [{"name": name, "value": value} for name, value in sorted(plain.items())],
        "secrets": [{"name": name, "valueFrom": arn} for name, arn in references.items()],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        "stopTimeout": STOP_TIMEOUT_SECONDS,
    }
    return {"family": FAMILY, "containerDefinitions": [container]}


def _stored(stack: LocalStack, name: str, value: str) -> str:
    """Its ARN."""
    secrets_manager, key = stack.client("secretsmanager"), f"manga/{name}"
    _unless_it_exists(secrets_manager.create_secret, Name=key, SecretString=value)
    return str(secrets_manager.put_secret_value(SecretId=key, SecretString=value)["ARN"])


def _unless_it_exists(create: Any, **what: Any) -> None:
    try:
        create(**what)
    except ClientError as error:
        if "Already" not in error.response["Error"]["Code"] and "Exists" not in error.response["Error"]["Code"]:
            raise
