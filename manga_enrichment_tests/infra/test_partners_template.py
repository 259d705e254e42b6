"""Topics of partners: each its own, subscribed to by nobody that its policy does not name."""

import json
from typing import Any

import yaml
from click.testing import CliRunner

from manga_enrichment.api.partners_stack import partners_yaml
from manga_enrichment.cli import main
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy
from manga_enrichment_tests.infra.templates import INFRA, read_template

DOCUMENT: dict[str, Any] = {
    "acme-jp": {"keys": ["a"], "results_topic": True, "subscriber_accounts": ["210987654321"]},
    "globex": {"results_topic": True},
    "initech": ["i"],
}


def resources_of(document: dict[str, Any]) -> dict[str, Any]:
    return dict(yaml.safe_load(partners_yaml(document))["Resources"])


def test_the_committed_template_is_current() -> None:
    result = CliRunner().invoke(main, ["partners", "template"])
    assert result.output == (INFRA / "partners.yaml").read_text("utf-8"), "manga-enrichment partners template > it"


def test_each_partner_that_has_a_topic_has_one_that_others_cannot_subscribe_to() -> None:
    resources = resources_of(DOCUMENT)
    assert resources.keys() == {"TopicAcmeJp", "TopicAcmeJpPolicy", "TopicGlobex", "TopicGlobexPolicy"}
    names = [resources[each]["Properties"]["TopicName"]["Fn::Sub"] for each in ("TopicAcmeJp", "TopicGlobex")]
    assert names == ["${ResultsTopicName}-acme-jp", "${ResultsTopicName}-globex"]
    allowed = {
        name: [
            (each["Action"], each["Principal"])
            for each in resources[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"]
            if each["Effect"] == "Allow"
        ]
        for name in ("TopicAcmeJp", "TopicGlobex")
    }
    root = {"AWS": [{"Fn::Sub": "arn:${AWS::Partition}:iam::210987654321:root"}]}
    assert allowed == {"TopicAcmeJp": [("sns:Subscribe", root)], "TopicGlobex": []}


def test_without_a_topic_there_is_a_template_all_the_same() -> None:
    assert list(resources_of({"initech": ["i"]})) == ["Nothing"]


def test_the_common_topic_takes_no_subscribers_of_other_accounts() -> None:
    document = read_template("queues.yaml")["Resources"]["ResultsTopicPolicy"]["Properties"]["PolicyDocument"]
    (refused,) = (each for each in document["Statement"] if each["Action"] == "sns:Subscribe")
    assert (refused["Effect"], refused["Principal"]) == ("Deny", "*")
    assert refused["Condition"] == {"StringNotEquals": {"aws:PrincipalAccount": {"!Ref": "AWS::AccountId"}}}


def test_the_deployed_topic_is_the_one_that_is_published_to(local_stack: LocalStack) -> None:
    policies = read_policies(json.loads((INFRA / "partners.json").read_text("utf-8")))
    told = NotificationPolicy(results_topic=local_stack.outputs["ResultsTopicArn"], partners=policies)
    topics = {each["TopicArn"] for each in local_stack.client("sns").list_topics()["Topics"]}
    assert told.own_topic("acme") in topics
    assert told.own_topic("globex") == ""
