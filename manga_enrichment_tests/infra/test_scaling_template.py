"""infra/scaling.yaml: parameters that Application Auto Scaling knows, and the rule that was asked for."""

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from manga_enrichment.domain.operations.metrics import BACKLOG_PER_TASK, SERVICE, SQS, backlog_per_task
from manga_enrichment_tests.fakes import START
from manga_enrichment_tests.infra.templates import read_template

FIXED = {"service/${ClusterName}/${ServiceName}": "service/manga-cluster/manga-fm-processor"}


@pytest.fixture(scope="module")
def requests() -> dict[str, dict[str, Any]]:
    """What CloudFormation would send: the target as it stands, the policy with its target's identity."""
    resources = read_template("scaling.yaml")["Resources"]
    target = {**resources["WorkerTasks"]["Properties"]}
    target["ResourceId"] = FIXED[target["ResourceId"]["!Sub"]]
    policy = {**resources["WorkersFollowBacklog"]["Properties"]}
    assert policy.pop("ScalingTargetId") == {"!Ref": "WorkerTasks"}
    identity = {name: target[name] for name in ("ServiceNamespace", "ScalableDimension", "ResourceId")}
    return {"RegisterScalableTarget": target, "PutScalingPolicy": {**policy, **identity}}


@pytest.mark.parametrize("operation", ["RegisterScalableTarget", "PutScalingPolicy"])
def test_every_parameter_is_one_of_the_service(requests: dict[str, Any], operation: str) -> None:
    model = botocore.session.get_session().get_service_model("application-autoscaling").operation_model(operation)
    report = ParamValidator().validate(requests[operation], model.input_shape)
    assert not report.has_errors(), report.generate_report()


def test_the_validator_would_see_an_unknown_parameter(requests: dict[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("application-autoscaling")
    sketch = {**requests["PutScalingPolicy"], "TargetTrackingPolicies": []}
    report = ParamValidator().validate(sketch, model.operation_model("PutScalingPolicy").input_shape)
    assert "TargetTrackingPolicies" in report.generate_report()


def test_workers_follow_the_backlog_by_the_rule_that_was_asked_for(requests: dict[str, Any]) -> None:
    target = requests["RegisterScalableTarget"]
    rule = requests["PutScalingPolicy"]["TargetTrackingScalingPolicyConfiguration"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 20)
    assert (rule["TargetValue"], rule["ScaleInCooldown"], rule["ScaleOutCooldown"]) == (10, 300, 60)


def test_the_metric_is_the_one_that_the_code_sends(requests: dict[str, Any]) -> None:
    metric = requests["PutScalingPolicy"]["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    sent = backlog_per_task(1, START)
    assert (metric["Namespace"], metric["MetricName"], metric["Unit"]) == (sent.namespace, sent.name, sent.unit)
    assert (sent.namespace, sent.name) == (SQS, BACKLOG_PER_TASK)
    assert [(each["Name"], each["Value"]) for each in metric["Dimensions"]] == [SERVICE] == list(sent.dimensions)
    assert metric["Statistic"] == "Average"
