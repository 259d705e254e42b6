"""The table of retention is what templates and code do, and every prefix of the bucket is in it."""

import inspect
from typing import Any

import pytest

from manga_enrichment.domain.operations.retention import (
    CHANGES_DAYS,
    KEPT_AS,
    KINDS,
    LEDGER_DAYS,
    RUN_HISTORY_DAYS,
    Means,
    Place,
    places,
)
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.pipeline.store import object_keys
from manga_enrichment.settings import Settings
from manga_enrichment_tests.infra.templates import read_template
from manga_enrichment_tests.versioned_tables import default

STORAGE = read_template("storage.yaml")
RULES: list[dict[str, Any]] = STORAGE["Resources"]["ResultsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
SECONDS_OF_A_DAY = 86_400


def parameter(value: Any) -> str:
    return str(value["!Ref"]) if isinstance(value, dict) else ""


def test_lifecycle_rules_are_those_of_the_table_and_no_others() -> None:
    ending = {
        Place(
            rule["Prefix"],
            Means.LIFECYCLE,
            default(STORAGE, rule["ExpirationInDays"]),
            parameter(rule["ExpirationInDays"]),
            "".join(tag["Value"] for tag in rule.get("TagFilters", ())),
        )
        for rule in RULES
        if "ExpirationInDays" in rule
    }
    assert ending == set(places(Means.LIFECYCLE))
    assert {tag["Key"] for rule in RULES for tag in rule.get("TagFilters", ())} == {KEPT_AS}
    assert {rule["Status"] for rule in RULES} == {"Enabled"}


def test_replaced_versions_and_unfinished_uploads_end_as_the_table_says() -> None:
    (versions,) = (rule["NoncurrentVersionExpiration"] for rule in RULES if "NoncurrentVersionExpiration" in rule)
    (place,) = places(Means.VERSIONS)
    assert (default(STORAGE, versions["NoncurrentDays"]), parameter(versions["NoncurrentDays"])) == (
        place.days,
        place.set_by,
    )
    (uploads,) = (rule["AbortIncompleteMultipartUpload"] for rule in RULES if "AbortIncompleteMultipartUpload" in rule)
    assert [uploads["DaysAfterInitiation"]] == [each.days for each in places(Means.UPLOADS)]


def test_no_parameter_can_keep_a_conversation_longer_than_the_ledger_does() -> None:
    (kind,) = (each for each in KINDS if each.what.startswith("conversations"))
    (ttl,) = (place.days for place in kind.places if place.means is Means.TTL)
    longest = {STORAGE["Parameters"][place.set_by]["MaxValue"] for place in kind.places if place.set_by}
    assert longest == {ttl}


def test_every_prefix_that_is_written_ends_or_has_a_reason_to_stay() -> None:
    """An object key that somebody adds lies under a prefix of the table, or this fails."""
    known = {place.where for means in (Means.LIFECYCLE, Means.NOTHING) for place in places(means)}
    assert all(kind.why for kind in KINDS)
    functions = [each for _, each in inspect.getmembers(object_keys, inspect.isfunction)]
    keys = [function(*_arguments(function)) for function in functions]
    assert len(keys) > 15
    assert {key.split("/")[0] + "/" for key in keys} <= known


def _arguments(function: Any) -> list[Any]:
    return [1 if each.annotation is int else "x" for each in inspect.signature(function).parameters.values()]


def test_what_athena_writes_ends() -> None:
    resources = read_template("analytics.yaml")["Resources"].values()
    outputs = [
        each["Properties"]["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]["Fn::Sub"]
        for each in resources
        if each["Type"] == "AWS::Athena::WorkGroup"
    ]
    assert outputs
    ending = {f"s3://${{ResultsBucketName}}/{place.where}" for place in places(Means.LIFECYCLE)}
    assert set(outputs) <= ending


def test_queues_keep_messages_as_long_as_the_table_says() -> None:
    resources = read_template("queues.yaml")["Resources"].values()
    queues = [each["Properties"] for each in resources if each["Type"] == "AWS::SQS::Queue"]
    in_template = {each["QueueName"]: each["MessageRetentionPeriod"] // SECONDS_OF_A_DAY for each in queues}
    assert in_template == {place.where: place.days for place in places(Means.QUEUE)}
    assert in_template.keys() == QUEUES.keys()


def test_log_groups_end_as_the_table_says() -> None:
    in_template = {
        Place(
            properties["LogGroupName"],
            Means.LOG_GROUP,
            template["Parameters"][next(iter(properties["RetentionInDays"].values()))]["Default"],
            next(iter(properties["RetentionInDays"].values())),
        )
        for template in (read_template("api.yaml"), read_template("dagster.yaml"))
        for properties in (
            each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::Logs::LogGroup"
        )
    }
    assert in_template == set(places(Means.LOG_GROUP))


def test_dagsters_captured_logs_and_database_end_as_the_table_says() -> None:
    dagster = read_template("dagster.yaml")
    bucket = dagster["Resources"]["LogsBucket"]["Properties"]
    (rule,) = (each for each in bucket["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in each)
    days = {
        Means.LOGS_BUCKET: rule["ExpirationInDays"],
        Means.DATABASE: dagster["Resources"]["Database"]["Properties"]["BackupRetentionPeriod"],
    }
    for means, value in days.items():
        (place,) = places(means)
        assert (place.days, place.set_by) == (default(dagster, value), parameter(value))
    assert any(
        name.startswith(place.where) for place in places(Means.LOGS_BUCKET) for name in [bucket["BucketName"]["!Sub"]]
    )


def test_settings_have_the_defaults_of_the_table() -> None:
    named = {place.set_by: place.days for kind in KINDS for place in kind.places if place.set_by.startswith("MANGA_")}
    assert named == {
        "MANGA_LEDGER_RETENTION_DAYS": LEDGER_DAYS,
        "MANGA_RUN_HISTORY_DAYS": RUN_HISTORY_DAYS,
        "MANGA_CHANGES_DAYS": CHANGES_DAYS,
    }
    for name, days in named.items():
        assert Settings.model_fields[name.removeprefix("MANGA_").lower()].default == days


@pytest.mark.parametrize("means", [Means.TTL, Means.BACKUP])
def test_the_tables_it_names_are_all_there_are(means: Means) -> None:
    names = {
        each["Properties"]["TableName"]["!If"][2]
        for template in (STORAGE, read_template("outbox.yaml"))
        for each in template["Resources"].values()
        if each["Type"] == "AWS::DynamoDB::Table"
    }
    assert {place.where for place in places(means)} == names
