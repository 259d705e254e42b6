"""Stacks are created, updated and left alone; a failure names the resource and the reason."""

from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.provision import ProvisioningError, deploy_stack

QUEUE = """
Parameters:
  Retention: {Type: Number, Default: 60}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: !Ref Retention}
Outputs:
  QueueUrl: {Value: !Ref Queue}
"""
TAKEN_BUCKET = """
Resources:
  First: {Type: "AWS::S3::Bucket", Properties: {BucketName: some-bucket-of-ours}}
  Second: {Type: "AWS::S3::Bucket", DependsOn: First, Properties: {BucketName: BUCKET}}
"""


@pytest.fixture
def cloudformation(local_stack: LocalStack) -> Any:
    return local_stack.client("cloudformation")


def written(folder: Path, template: str) -> Path:
    path = folder / "template.yaml"
    path.write_text(template, "utf-8")
    return path


def test_a_stack_is_created_then_left_alone_then_updated_in_place(
    cloudformation: Any, local_stack: LocalStack, tmp_path: Path
) -> None:
    path = written(tmp_path, QUEUE)
    created = deploy_stack(cloudformation, "a-queue", path, {})
    assert deploy_stack(cloudformation, "a-queue", path, {}) == created
    before = cloudformation.describe_stacks(StackName="a-queue")["Stacks"][0]["StackStatus"]
    assert before == "CREATE_COMPLETE"
    assert deploy_stack(cloudformation, "a-queue", path, {"Retention": "120"}) == created
    attributes = local_stack.client("sqs").get_queue_attributes(
        QueueUrl=created["QueueUrl"], AttributeNames=["MessageRetentionPeriod"]
    )
    assert attributes["Attributes"]["MessageRetentionPeriod"] == "120"


def test_a_failure_names_the_resource_and_the_reason_and_the_next_try_can_succeed(
    cloudformation: Any, local_stack: LocalStack, tmp_path: Path
) -> None:
    broken = written(tmp_path, TAKEN_BUCKET.replace("BUCKET", local_stack.endpoints.bucket))
    with pytest.raises(ProvisioningError, match=r"Stack two-buckets .* is ROLLBACK_COMPLETE: Second: .*already exists"):
        deploy_stack(cloudformation, "two-buckets", broken, {})
    mended = written(tmp_path, TAKEN_BUCKET.replace("BUCKET", "another-bucket-of-ours"))
    deploy_stack(cloudformation, "two-buckets", mended, {})
    local_stack.client("s3").head_bucket(Bucket="another-bucket-of-ours")


def test_a_resource_that_fails_while_it_is_created_is_named(cloudformation: Any, tmp_path: Path) -> None:
    path = written(
        tmp_path, 'Resources:\n  Bad: {Type: "AWS::SQS::Queue", Properties: {FifoQueue: true, QueueName: x}}\n'
    )
    with pytest.raises(ProvisioningError, match=r"Stack bad-queue .* is ROLLBACK_COMPLETE: Bad: "):
        deploy_stack(cloudformation, "bad-queue", path, {})


def test_a_failed_update_is_rolled_back_and_its_own_reason_is_given(cloudformation: Any, tmp_path: Path) -> None:
    deploy_stack(cloudformation, "updated-queue", written(tmp_path, QUEUE), {})
    with pytest.raises(ProvisioningError, match=r"is UPDATE_ROLLBACK_COMPLETE: Queue: .*MessageRetentionPeriod"):
        deploy_stack(cloudformation, "updated-queue", written(tmp_path, QUEUE), {"Retention": "1"})
    deploy_stack(cloudformation, "updated-queue", written(tmp_path, QUEUE), {})  # what it went back to
    deploy_stack(cloudformation, "updated-queue", written(tmp_path, QUEUE), {"Retention": "61"})


def test_a_template_that_cannot_be_read_as_one_is_refused_with_its_path(cloudformation: Any, tmp_path: Path) -> None:
    path = written(tmp_path, "Resources: [\n")
    with pytest.raises(ProvisioningError, match=str(path)):
        deploy_stack(cloudformation, "nothing", path, {})
