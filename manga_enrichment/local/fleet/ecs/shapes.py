"""What ECS calls things: errors, ARNs, tags.

Belongs here: words of the protocol that several modules speak. Stays out: what is done about them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from manga_enrichment.local.stack.endpoints import REGION

ACCOUNT_ID = "123456789012"
Json = dict[str, Any]


class EcsError(Exception):
    """An answer of status 400. code: as boto3 names it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def arn(kind: str, name: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT_ID}:{kind}/{name}"


def last_part(arn_or_name: str) -> str:
    """What stands behind the last slash: ECS takes names and ARNs wherever it takes one."""
    return arn_or_name.rsplit("/", 1)[-1]


def pairs(listed: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """`[{"name": ..., "value": ...}]` as a dict; of tags, too, whose first word is `key`."""
    return {each.get("name") or each.get("key", ""): each.get("value", "") for each in listed or ()}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
