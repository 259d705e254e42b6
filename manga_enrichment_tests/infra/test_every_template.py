"""What holds for every resource of its kind in every template, also for one that is added tomorrow."""

from collections.abc import Iterator
from typing import Any

import pytest

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.provision import STACK_TEMPLATES, deploy_stack
from manga_enrichment_tests.infra.templates import INFRA, read_template

TEMPLATES = sorted(path.name for path in INFRA.glob("*.yaml"))
KEPT = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::ECR::Repository",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    }
)
"""Types of resources that hold data, but for databases, of which a snapshot is kept."""
PROTECTED = frozenset({"AWS::DynamoDB::Table", "AWS::RDS::DBInstance"})
"""Types that refuse to be deleted."""


def resources_of(*kinds: str) -> list[Any]:
    return [
        pytest.param(name, resource, id=f"{template}:{name}")
        for template in TEMPLATES
        for name, resource in read_template(template)["Resources"].items()
        if resource["Type"] in kinds
    ]


def has_reference(value: Any, parameter: str) -> bool:
    return value in ({"!Ref": parameter}, {"Ref": parameter})


def test_the_templates_are_all_here() -> None:
    assert {template.file_name for template in STACK_TEMPLATES} < set(TEMPLATES)
    assert len(resources_of("AWS::DynamoDB::Table")) >= 4
    assert len(resources_of("AWS::IAM::Role")) >= 2


@pytest.mark.parametrize(("name", "resource"), resources_of(*KEPT))
def test_what_holds_data_stays_when_its_stack_goes(name: str, resource: dict[str, Any]) -> None:
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
    assert resource["UpdateReplacePolicy"] == "Retain", name


@pytest.mark.parametrize(("name", "resource"), resources_of("AWS::DynamoDB::Table"))
def test_a_table_refuses_to_be_deleted_can_be_restored_and_forgets(name: str, resource: dict[str, Any]) -> None:
    properties = resource["Properties"]
    assert properties["DeletionProtectionEnabled"] == {"!If": ["IsProtected", True, False]}, name
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}, name


@pytest.mark.parametrize(("name", "resource"), resources_of("AWS::DynamoDB::Table"))
def test_a_table_is_encrypted_with_the_customers_key_if_there_is_one(name: str, resource: dict[str, Any]) -> None:
    """Without one DynamoDB encrypts with a key of its own."""
    condition, with_key, without = resource["Properties"]["SSESpecification"]["!If"]
    assert condition == "HasKmsKey", name
    assert (with_key["SSEEnabled"], with_key["SSEType"]) == (True, "KMS")
    assert has_reference(with_key["KMSMasterKeyId"], "KmsKeyArn")
    assert has_reference(without, "AWS::NoValue")


@pytest.mark.parametrize("template", TEMPLATES)
def test_protection_is_on_unless_somebody_says_otherwise(template: str) -> None:
    parameters = read_template(template).get("Parameters", {})
    has_data = any(each["Type"] in PROTECTED for each in read_template(template)["Resources"].values())
    assert ("DeletionProtection" in parameters) == has_data
    if has_data:
        assert parameters["DeletionProtection"]["Default"] == "true"
        is_protected = read_template(template)["Conditions"]["IsProtected"]
        assert is_protected == {"!Equals": [{"!Ref": "DeletionProtection"}, "true"]}


@pytest.mark.parametrize(("name", "resource"), resources_of("AWS::RDS::DBInstance"))
def test_a_database_refuses_to_be_deleted_can_be_restored_and_is_encrypted(name: str, resource: dict[str, Any]) -> None:
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot"), name
    properties = resource["Properties"]
    assert properties["DeletionProtection"] == {"!If": ["IsProtected", True, False]}, name
    assert properties["StorageEncrypted"] is True, name
    assert properties["PubliclyAccessible"] is False, name
    assert has_reference(properties["BackupRetentionPeriod"], "BackupDays")


@pytest.mark.parametrize(("name", "resource"), resources_of("AWS::S3::Bucket"))
def test_a_bucket_is_encrypted_and_nobody_elses(name: str, resource: dict[str, Any]) -> None:
    assert resource["Properties"]["BucketEncryption"], name
    assert set(resource["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}, name


@pytest.mark.parametrize(("name", "resource"), resources_of("AWS::SQS::Queue"))
def test_a_queue_is_encrypted(name: str, resource: dict[str, Any]) -> None:
    assert resource["Properties"]["SqsManagedSseEnabled"] is True, name


@pytest.mark.parametrize(("name", "resource"), resources_of("AWS::Logs::LogGroup"))
def test_a_log_group_ends(name: str, resource: dict[str, Any]) -> None:
    assert resource["Properties"]["RetentionInDays"], name


def trust_statements() -> Iterator[Any]:
    for role in resources_of("AWS::IAM::Role"):
        name, resource = role.values
        for number, statement in enumerate(resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]):
            yield pytest.param(statement, id=f"{name}-{number}")


@pytest.mark.parametrize("statement", list(trust_statements()))
def test_a_service_takes_a_role_for_this_account_alone(statement: dict[str, Any]) -> None:
    assert statement["Effect"] == "Allow"
    assert statement["Principal"].keys() == {"Service"}
    (account,) = (each["aws:SourceAccount"] for each in [statement["Condition"]["StringEquals"]])
    assert has_reference(account, "AWS::AccountId")


def test_a_deployed_table_refuses_to_be_deleted_until_its_stack_says_otherwise(local_stack: LocalStack) -> None:
    cloudformation, dynamodb = local_stack.client("cloudformation"), local_stack.client("dynamodb")
    path, table = INFRA / "outbox.yaml", "a-protected-outbox"
    deploy_stack(cloudformation, "protected", path, {"OutboxTableName": table})
    with pytest.raises(dynamodb.exceptions.ClientError, match="protected against deletion"):
        dynamodb.delete_table(TableName=table)
    deploy_stack(cloudformation, "protected", path, {"OutboxTableName": table, "DeletionProtection": "false"})
    dynamodb.delete_table(TableName=table)
    assert table not in dynamodb.list_tables()["TableNames"]
