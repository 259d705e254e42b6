"""infra/outbox.yaml: nothing that waits is lost, and looking for what is due reads nothing else."""

from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.aws.dynamodb.outbox import INDEX
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.settings import Settings

TEMPLATE = Path(__file__).resolve().parents[2] / "infra" / "outbox.yaml"


@pytest.fixture
def table(local_stack: LocalStack) -> dict[str, Any]:
    found: dict[str, Any] = local_stack.client("dynamodb").describe_table(
        TableName=local_stack.outputs["OutboxTableName"]
    )["Table"]
    return found


def test_what_waits_does_not_go_with_the_stack_and_can_be_restored() -> None:
    text = TEMPLATE.read_text("utf-8")
    assert "DeletionPolicy: RetainExceptOnCreate" in text
    assert "UpdateReplacePolicy: Retain" in text
    assert "PointInTimeRecoveryEnabled: true" in text


def test_items_expire_by_expires_at() -> None:
    assert "TimeToLiveSpecification:\n        AttributeName: expires_at\n        Enabled: true" in TEMPLATE.read_text(
        "utf-8"
    )


def test_the_table_has_the_name_that_is_the_settings_default(table: dict[str, Any]) -> None:
    assert table["TableName"] == Settings.model_fields["outbox_table"].default


def test_the_index_is_by_what_is_open_and_when(table: dict[str, Any]) -> None:
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == INDEX
    assert [(key["AttributeName"], key["KeyType"]) for key in index["KeySchema"]] == [
        ("listed_as", "HASH"),
        ("due_at", "RANGE"),
    ]
    assert index["Projection"]["ProjectionType"] == "ALL"
