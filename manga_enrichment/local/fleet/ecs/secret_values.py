"""Secrets by reference, looked up when a container starts and at no other time, as ECS does.

Belongs here: what a `valueFrom` means. Stays out: whose environment the value goes into (`task.py`).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.local.fleet.ecs.container import CannotStartError

_PARTS_OF_AN_ARN = 7


def resolve(secrets_manager: Any, references: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Environment variables by name. secrets_manager: a boto3 client. Raises CannotStartError, naming no value.

    A reference is an ARN of Secrets Manager, alone or with `:<key of the JSON>::` behind it.
    """
    return {each["name"]: _value(secrets_manager, each["valueFrom"]) for each in references}


def _value(secrets_manager: Any, reference: str) -> str:
    parts = reference.split(":")
    key = parts[_PARTS_OF_AN_ARN] if len(parts) > _PARTS_OF_AN_ARN else ""
    try:
        found = secrets_manager.get_secret_value(SecretId=":".join(parts[:_PARTS_OF_AN_ARN]))["SecretString"]
        return str(json.loads(found)[key] if key else found)
    except (BotoCoreError, ClientError, KeyError, ValueError) as error:
        why = f"ResourceInitializationError: unable to pull secrets: {reference}: {type(error).__name__}"
        raise CannotStartError(why) from error
