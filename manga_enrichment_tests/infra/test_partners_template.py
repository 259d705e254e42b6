"""Topics of partners: each its own, subscribed to by nobody that its policy does not name."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from manga_enrichment.api.partners_stack import partners_yaml
from manga_enrichment.cli import main
from manga_enrichment.domain.callbacks.deliveries import DeliveryState
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy
from manga_enrichment_tests.infra.templates import INFRA, read_template, with_stage
from manga_enrichment_tests.outbox_fakes import OutboxWorld, ended

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
    names = [
        with_stage(resources[each]["Properties"]["TopicName"])["Fn::Sub"] for each in ("TopicAcmeJp", "TopicGlobex")
    ]
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


TWO = {
    "acme": {"results_topic": True, "subscriber_accounts": ["111111111111"]},
    "globex": {"results_topic": True, "subscriber_accounts": ["222222222222", "333333333333"]},
    "initech": {"results_topic": True},
}
ACCOUNTS = {
    "acme": ["111111111111"],
    "globex": ["222222222222", "333333333333"],
    "initech": [],
    "nobody": ["999999999999"],
}
OURS = "123456789012"


def may(action: str, account: str, statements: list[dict[str, Any]], protocol: str = "sqs") -> bool:
    """As IAM judges somebody of another account: allowed by a statement, and refused by none."""
    effects = {
        each["Effect"]
        for each in statements
        if each["Action"] == action and _is_about(each["Principal"], account) and _holds(each, account, protocol)
    }
    return effects == {"Allow"}


def _is_about(principal: Any, account: str) -> bool:
    named = principal if isinstance(principal, str) else principal["AWS"]
    arns = [each["Fn::Sub"] for each in named] if isinstance(named, list) else []
    return named == "*" or f"arn:${{AWS::Partition}}:iam::{account}:root" in arns


def _holds(statement: dict[str, Any], account: str, protocol: str) -> bool:
    """Fails on a condition that it does not know: the test must not pass by not looking."""
    known = {"sns:Protocol": protocol, "aws:PrincipalAccount": account, "aws:SecureTransport": "true"}
    for operator, pairs in statement["Condition"].items():
        for name, wanted in pairs.items():
            options = [OURS if each == {"!Ref": "AWS::AccountId"} else each for each in _listed(wanted)]
            is_one = known[name] in options
            if not {"StringEquals": is_one, "StringNotEquals": not is_one, "Bool": is_one}[operator]:
                return False
    return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("owner", TWO)
@pytest.mark.parametrize("reader", ACCOUNTS)
def test_a_partner_hears_of_its_own_requests_and_of_no_others(owner: str, reader: str) -> None:
    statements = resources_of(TWO)[f"Topic{owner.capitalize()}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    for account in ACCOUNTS[reader]:
        assert may("sns:Subscribe", account, statements) is (reader == owner)
        assert not may("sns:Subscribe", account, statements, protocol="email")
        assert not may("sns:Publish", account, statements)


def test_no_partner_may_listen_to_all() -> None:
    document = read_template("queues.yaml")["Resources"]["ResultsTopicPolicy"]["Properties"]["PolicyDocument"]
    accounts = [account for each in ACCOUNTS.values() for account in each]
    assert accounts
    assert not any(may("sns:Subscribe", account, document["Statement"]) for account in accounts)


def test_what_is_published_of_a_partner_goes_to_no_other_partners_topic() -> None:
    policy = NotificationPolicy(results_topic="arn:results", partners=read_policies(TWO))
    world = OutboxWorld(policy=policy)
    world.outbox_writer.announce(replace(ended(), partner_id="acme"))
    targets = {each.target for each in world.outbox.deliveries.values()}
    assert targets == {"arn:results-acme", "arn:results"}


def test_a_partner_cannot_have_its_news_sent_to_the_topic_of_another() -> None:
    policy = NotificationPolicy(results_topic="arn:results", partners=read_policies(TWO))
    world = OutboxWorld(policy=policy)
    world.outbox_writer.announce(replace(ended(), partner_id="acme"), topic_arn="arn:results-globex")
    world.deliver()
    states = {each.target: each.state for each in world.outbox.deliveries.values()}
    assert states["arn:results-globex"] is DeliveryState.FAILED
    assert states["arn:results-acme"] is DeliveryState.DELIVERED
