"""Policies of partners: what the document may say, what counts, what a row may change, and what a request is told."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.operations.quota_lanes import batch_models
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.policies import (
    CHANGEABLE,
    NO_POLICIES,
    PartnerPolicy,
    PolicyError,
    cap_ends_on,
    checked_changes,
    read_policies,
)
from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.validation import RequestPolicy, validate
from manga_enrichment_tests.analyses import FOR_PARTNERS

DOCUMENT: dict[str, Any] = {
    "*": {"micro_usd_per_day": 5_000_000, "models": ["haiku"]},
    "acme": {
        "keys": ["acme-1", "acme-2"],
        "key_ids": ["a1b2c3"],
        "micro_usd_per_month": 90_000_000,
        "models": None,
        "analyses": ["reading_level"],
        "callback_hosts": ["hooks.acme.example", "*.acme.test"],
        "email_addresses": ["ops@acme.example", "*@news.acme.example"],
        "results_topic": True,
        "subscriber_accounts": ["210987654321"],
        "retention_days": 30,
        "lane_share": 0.5,
    },
    "globex": ["globex-1"],
}


def test_the_committed_document_is_sound() -> None:
    committed = Path(__file__).resolve().parents[3] / "infra" / "partners.json"
    assert "acme" in read_policies(json.loads(committed.read_text("utf-8"))).partners


def test_a_partners_entry_counts_before_that_for_all_and_strangers_have_that_for_all() -> None:
    policies = read_policies(DOCUMENT)
    acme, globex, stranger = (policies.of(name) for name in ("acme", "globex", "nobody"))
    assert (acme.micro_usd_per_day, acme.micro_usd_per_month, acme.models) == (5_000_000, 90_000_000, None)
    assert (globex.micro_usd_per_day, globex.models, globex.keys) == (5_000_000, ("haiku",), ("globex-1",))
    assert stranger == PartnerPolicy(micro_usd_per_day=5_000_000, models=("haiku",))
    assert NO_POLICIES.of("acme") == PartnerPolicy()


def test_hosts_and_addresses_are_matched_as_a_whole() -> None:
    acme, anybody = read_policies(DOCUMENT).of("acme"), PartnerPolicy()
    allowed = ["hooks.acme.example", "HOOKS.acme.example.", "a.b.acme.test"]
    refused = ["acme.test", "evilacme.test", "hooks.acme.example.evil.example", "x.hooks.acme.example"]
    assert [each for each in (*allowed, *refused) if acme.may_call_back(each)] == allowed
    assert all(anybody.may_call_back(each) for each in (*allowed, *refused))
    mailed = ["ops@acme.example", "OPS@ACME.example", "any@news.acme.example"]
    others = ["ops@acme.example.evil", "x@acme.example", "news.acme.example", "a@evilnews.acme.example"]
    assert [each for each in (*mailed, *others) if acme.may_mail(each)] == mailed
    assert not any(anybody.may_mail(each) for each in (*mailed, *others))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"micro_usd_per_day": 1.5}, "acme.micro_usd_per_day: must be a whole number or null"),
        ({"micro_usd_per_month": -1}, "acme.micro_usd_per_month: must be at least 0"),
        ({"lane_share": 0}, "acme.lane_share: must be at least 0.01"),
        ({"lane_share": 1.1}, "acme.lane_share: must be at most 1"),
        ({"analyses": ["horoscope"]}, "acme.analyses.0: must be one of genre_classification"),
        ({"models": ["haiku", "opus"]}, "acme.models.1: must be one of deepseek, "),
        ({"callback_hosts": ["https://acme.example"]}, "acme.callback_hosts.0: must match"),
        ({"callback_hosts": ["*"]}, "acme.callback_hosts.0: must match"),
        ({"email_addresses": ["acme.example"]}, "acme.email_addresses.0: must match"),
        ({"results_topic": 1}, "acme.results_topic: must be true or false"),
        ({"subscriber_accounts": ["12345"]}, "acme.subscriber_accounts.0: must match"),
        ({"retention_days": 31}, "acme.retention_days: must be one of 7, 30, 90, 400"),
        (7, "acme: must be an object"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(entry: Any, told: str) -> None:
    with pytest.raises(PolicyError) as raised:
        read_policies({"acme": entry})
    assert told in str(raised.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(PolicyError) as raised:
        read_policies({"*": {"keys": ["k"]}, "a b": {}, "acme": {"burst": 0, "lane_share": 2}, "rival": ["k"]})
    assert str(raised.value).count(";") == 4
    for place in (
        "*: key_ids, keys, results_topic, subscriber_accounts",
        "a b:",
        "acme.burst:",
        "acme.lane_share:",
        "rival.keys.0:",
    ):
        assert place in str(raised.value)


@pytest.mark.parametrize("document", [None, [], "acme", 7])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(PolicyError, match="must be a JSON object"):
        read_policies(document)


def test_a_row_changes_what_needs_no_deployment_and_nothing_else() -> None:
    changes = checked_changes({"micro_usd_per_day": 0, "models": ["haiku"]}, FOR_PARTNERS)
    changed = read_policies(DOCUMENT).of("acme").changed(changes)
    assert (changed.micro_usd_per_day, changed.models, changed.lane_share) == (0, ("haiku",), 0.5)
    assert frozenset(PartnerPolicy.__slots__) > CHANGEABLE
    for refused in ({"email_addresses": ["x@evil.example"]}, {"callback_hosts": None}, {"keys": ["k"]}, {"burst": 1}):
        with pytest.raises(PolicyError, match="a row changes analyses, lane_share"):
            checked_changes(refused, FOR_PARTNERS)
    for broken in ({"lane_share": 7}, {"models": ["opus"]}, {"analyses": ["mood"]}, [], None):
        with pytest.raises(PolicyError):
            checked_changes(broken, FOR_PARTNERS)


def test_a_row_may_name_an_analysis_that_is_there_no_more() -> None:
    assert checked_changes({"analyses": ["mood"]}, None) == {"analyses": ["mood"]}


def test_a_policy_may_name_what_there_is_and_nothing_else() -> None:
    document = {"acme": {"analyses": ["mood"]}}
    assert read_policies(document, ["mood"]).of("acme").may_ask("mood")
    with pytest.raises(PolicyError, match=r"acme\.analyses\.0: must be one of genre_classification"):
        read_policies(document)


def test_what_the_policy_does_not_allow_is_an_error_with_its_place() -> None:
    policy = RequestPolicy(partners=read_policies(DOCUMENT))
    items = [{"manga_id": "MNG-AAAAAAAA", "analysis_type": name} for name in ("reading_level", "content_summary")]
    body = {"items": items, "callback_url": "https://elsewhere.example/hook"}
    refused = validate("batch_analysis", body, policy, partner_id="acme")
    assert [(each.path, each.code) for each in refused.errors] == [
        ("callback_url", Code.NOT_ALLOWED),
        ("items.1.analysis_type", Code.NOT_ALLOWED),
    ]
    assert refused.errors[1].message.endswith("only reading_level may be asked for")
    for allowed in ({**body, "items": items[:1], "callback_url": "https://x.acme.test/h"}, {"items": items[:1]}):
        assert validate("batch_analysis", allowed, policy, partner_id="acme").valid
    assert validate("batch_analysis", {"items": items[1:]}, RequestPolicy(), partner_id="acme").valid


def test_mail_goes_to_addresses_agreed_on_alone_and_where_none_is_sent_nothing_is_refused() -> None:
    item = {"manga_id": "MNG-AAAAAAAA", "analysis_type": "reading_level"}

    def found(address: str, *, sends_mail: bool) -> list[tuple[str, Code]]:
        policy = RequestPolicy(partners=read_policies(DOCUMENT), sends_mail=sends_mail)
        body = {"items": [item], "notification": {"email": address}}
        result = validate("batch_analysis", body, policy, partner_id="acme")
        return [(each.path, each.code) for each in (*result.errors, *result.warnings)]

    assert found("ops@acme.example", sends_mail=True) == []
    assert found("ops@rival.example", sends_mail=True) == [("notification.email", Code.NOT_ALLOWED)]
    for address in ("ops@acme.example", "ops@rival.example"):
        assert found(address, sends_mail=False) == [("notification.email", Code.EMAIL_NOT_SENT_WARNING)]


@pytest.mark.parametrize(("schema", "body"), [("manga_query", {"query": "q"}), ("streaming_chat", {"messages": []})])
@pytest.mark.parametrize("model", [None, "haiku", "sonnet"])
def test_a_model_counts_also_where_it_is_the_default(schema: str, body: dict[str, Any], model: str | None) -> None:
    default = {"manga_query": "haiku", "streaming_chat": "sonnet"}[schema]
    asked = {**body, **({"model": model} if model else {})}
    found = validate(schema, asked, RequestPolicy(partners=read_policies(DOCUMENT)), partner_id="globex")
    refused = [each.path for each in found.errors if each.code is Code.NOT_ALLOWED]
    assert refused == ([] if (model or default) == "haiku" else ["model"])


def test_an_analysis_is_not_asked_of_a_model_that_is_not_allowed() -> None:
    policies = read_policies({"acme": {"models": ["sonnet"]}})
    body = {"items": [{"manga_id": "MNG-AAAAAAAA", "analysis_type": "reading_level"}]}
    (refused,) = validate("batch_analysis", body, RequestPolicy(partners=policies), partner_id="acme").errors
    assert "it is asked of haiku" in refused.message


@pytest.mark.parametrize(
    ("allowed", "more", "refused"),
    [
        (["nova-lite"], {"priority": "low"}, ""),
        (["haiku"], {"priority": "low"}, "items.0.analysis_type"),
        (["haiku"], {"priority": "low", "model": "haiku"}, ""),
        (["nova-lite"], {"priority": "low", "model": "haiku"}, "model"),
        (["haiku"], {"priority": "normal"}, ""),
        (["haiku"], {}, ""),
        (["nova-lite"], {}, "items.0.analysis_type"),
    ],
)
def test_what_must_have_been_agreed_on_is_the_model_of_the_batchs_lane(
    allowed: list[str], more: dict[str, Any], refused: str
) -> None:
    models = load_models(by_lane={"low": {"*": "nova-lite"}})
    policy = RequestPolicy(partners=read_policies({"acme": {"models": allowed}}), alias_of=batch_models(models))
    body = {"items": [{"manga_id": "MNG-AAAAAAAA", "analysis_type": "reading_level"}], **more}
    found = validate("batch_analysis", body, policy, partner_id="acme").errors
    assert [each.path for each in found] == ([refused] if refused else [])
    assert all(f"only {allowed[0]} may be asked" in each.message for each in found)


@pytest.mark.parametrize("priority", ["urgent", 7, None, [], {"low": 1}])
def test_a_priority_that_is_none_is_told_and_raises_nothing(priority: Any) -> None:
    policy = RequestPolicy(
        partners=read_policies({"acme": {"models": ["haiku"]}}),
        alias_of=batch_models(load_models(by_lane={"low": {"*": "nova-lite"}})),
    )
    body = {"items": [{"manga_id": "MNG-AAAAAAAA", "analysis_type": "reading_level"}], "priority": priority}
    found = validate("batch_analysis", body, policy, partner_id="acme").errors
    assert {each.path for each in found} == {"priority"}


@pytest.mark.parametrize(
    ("error_class", "today", "ends_on"),
    [
        (ErrorClass.PARTNER_DAY_CAP, date(2026, 12, 31), date(2027, 1, 1)),
        (ErrorClass.PARTNER_MONTH_CAP, date(2026, 12, 1), date(2027, 1, 1)),
        (ErrorClass.PARTNER_MONTH_CAP, date(2028, 2, 29), date(2028, 3, 1)),
        (ErrorClass.PARTNER_MONTH_CAP, date(2026, 1, 31), date(2026, 2, 1)),
        (ErrorClass.BUDGET, date(2026, 1, 1), None),
    ],
)
def test_a_cap_ends_on_the_next_day_or_the_first_of_the_next_month(
    error_class: ErrorClass, today: date, ends_on: date | None
) -> None:
    assert cap_ends_on(error_class, today) == ends_on
