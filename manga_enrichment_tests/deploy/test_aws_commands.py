"""Every `aws` command of the pages has the arguments of its operation, and those of a restore run on the emulator.

Arguments are held to botocore's model of the operation, from which the AWS CLI makes its own. `aws cloudformation
deploy` of the plan is run by `test_deploy_plan.py`.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore import xform_name

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.documents import REPOSITORY, Command, commands, in_sentences
from manga_enrichment_tests.infra.templates import read_template

GLOBAL = {"--output", "--query", "--region", "--profile"}
OF_THE_CLI = {
    ("cloudformation", "deploy"): {
        "--stack-name",
        "--template-file",
        "--capabilities",
        "--parameter-overrides",
        "--s3-bucket",
        "--s3-prefix",
        "--no-fail-on-empty-changeset",
    },
    ("ecr", "get-login-password"): set(),
    ("s3", "cp"): set(),
    ("s3", "mb"): set(),
    ("sso", "login"): set(),
}
"""Commands that are no operations, with what we say to them."""
RENAMED = {("sns", "subscribe"): {"--notification-endpoint"}}
"""Options that the AWS CLI calls otherwise than the operation does, since the name is taken."""
INLINE = in_sentences("aws")
TYPED = commands("aws")


def faults(words: list[str]) -> list[str]:
    """What the AWS CLI would say of `aws SERVICE OPERATION ...`."""
    _, service, operation, *rest = words
    flags = {word.split("=")[0] for word in rest if word.startswith("--")} - GLOBAL
    if (service, operation) in OF_THE_CLI:
        return [f"unknown option {flag}" for flag in flags - OF_THE_CLI[service, operation]]
    session = botocore.session.Session()
    model = session.get_service_model(service.removesuffix("api") if service == "s3api" else service)
    names = {xform_name(each, "-"): each for each in model.operation_names}
    if operation == "wait":
        waiters = session.get_waiter_model(model.service_name)
        found = {xform_name(each, "-"): waiters.get_waiter(each).operation for each in waiters.waiter_names}
        operation = xform_name(found.get(rest[0], ""), "-")
    if operation not in names:
        return [f"{service} has no {operation}"]
    shape = model.operation_model(names[operation]).input_shape
    members: dict[str, Any] = dict(shape.members) if shape else {}
    known = {f"--{xform_name(name, '-')}" for name in members}
    switches = {f"--no-{xform_name(name, '-')}" for name, each in members.items() if each.type_name == "boolean"}
    required = {f"--{xform_name(name, '-')}" for name in (shape.required_members if shape else ())}
    known |= switches | RENAMED.get((service, operation), set())
    return [f"unknown option {each}" for each in flags - known] + [f"lacks {each}" for each in required - flags]


def test_the_pages_have_commands() -> None:
    assert len(TYPED) >= 20
    assert len(INLINE) >= 4


@pytest.mark.parametrize("command", TYPED, ids=lambda each: f"{each.page}: {each.text[:60]}")
def test_a_command_has_the_arguments_of_its_operation(command: Command) -> None:
    assert faults(command.words()) == []


@pytest.mark.parametrize("command", INLINE, ids=lambda each: f"{each.page}: {each.text[:60]}")
def test_a_command_in_a_sentence_names_an_operation_and_options_that_it_has(command: Command) -> None:
    assert [each for each in faults(command.words()) if not each.startswith("lacks")] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("aws rds no-such-thing", "rds has no no-such-thing"),
        ("aws dynamodb update-table --table x", "unknown option --table"),
        ("aws dynamodb update-table --deletion-protection-enabled", "lacks --table-name"),
        ("aws cloudformation deploy --stack x", "unknown option --stack"),
    ],
)
def test_a_command_that_the_cli_would_refuse_is_found(line: str, said: str) -> None:
    assert said in faults(shlex.split(line))


TEMPLATES = {path.name for path in (REPOSITORY / "infra").glob("*.yaml")}


@pytest.mark.parametrize(
    "command", [each for each in TYPED if "deploy" in each.words()], ids=lambda each: f"{each.page}: {each.text[-50:]}"
)
def test_a_stack_is_deployed_from_a_template_that_knows_what_it_is_told(command: Command) -> None:
    words = command.words()
    file = Path(words[words.index("--template-file") + 1]).name
    template = read_template(file)
    told = words[words.index("--parameter-overrides") + 1 :] if "--parameter-overrides" in words else []
    assert {each.partition("=")[0] for each in told if "=" in each} <= set(template["Parameters"])
    makes_roles = any(each["Type"].startswith("AWS::IAM::") for each in template["Resources"].values())
    assert not makes_roles or "CAPABILITY_IAM" in words
    is_large = (REPOSITORY / "infra" / file).stat().st_size > 51_200
    assert not is_large or "--s3-bucket" in words


NOT_ON_THE_EMULATOR = {
    "restore-db-instance-to-point-in-time": "it knows no such action: a database of that name is made in its place",
    "get-foundation-model-availability": "it knows no such action",
    "get-service-quota": "it has no such service",
    "start-session": "needs an instance with an agent, and a plugin of the CLI",
}
"""Operations that are not run, and why."""
RESTORE = (REPOSITORY / "docs" / "aws.md").read_text("utf-8").partition("## A restore")[2].partition("\n## ")[0]
OF_A_RESTORE = [each for each in TYPED if each.text in re.sub(r" *\\\n *", " ", RESTORE)]


def is_run(command: Command) -> bool:
    """Here. `aws cloudformation deploy` is `test_deploy_plan.py`'s."""
    return command.words()[1] != "cloudformation" and command.words()[2] not in NOT_ON_THE_EMULATOR


OTHERS = [each for each in TYPED if is_run(each) and each not in OF_A_RESTORE]


ITS_OWN = {"manga-fm-results": "restore-of-results", "manga-fm-budget": "restore-of-budget"}
"""Tables of this test in place of those that other tests use."""


@pytest.fixture
def restore_world(local_stack: LocalStack) -> Iterator[dict[str, str]]:
    """What stands for the words in capitals; what is there before somebody restores, and goes afterwards."""
    s3, rds, dynamodb = (local_stack.client(each) for each in ("s3", "rds", "dynamodb"))
    bucket, key = local_stack.endpoints.bucket, "enrichment/enriched_catalog/0.parquet"
    wanted = s3.put_object(Bucket=bucket, Key=key, Body=b"as it was")["VersionId"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"as nobody wants it")
    rds.create_db_instance(
        DBInstanceIdentifier="brought-back", Engine="postgres", DBInstanceClass="db.t4g.medium", AllocatedStorage=20
    )
    for name, own in ITS_OWN.items():
        told = dynamodb.describe_table(TableName=name)["Table"]
        known = {each: told[each] for each in ("KeySchema", "AttributeDefinitions")}
        dynamodb.create_table(TableName=own, BillingMode="PAY_PER_REQUEST", DeletionProtectionEnabled=True, **known)
    now = datetime.now(UTC).isoformat()
    yield {"BUCKET": bucket, "KEY": key, "VERSION": wanted, "2026-11-28T01:00:00Z": now, **ITS_OWN}
    for name in dynamodb.list_tables()["TableNames"]:
        if name.startswith(tuple(ITS_OWN.values())):
            dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
            dynamodb.delete_table(TableName=name)
    s3.delete_object(Bucket=bucket, Key=key)


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed: its arguments were looked at")
@pytest.mark.slow
def test_what_a_restore_takes_runs_on_the_emulator(local_stack: LocalStack, restore_world: dict[str, str]) -> None:
    """In the order of the page."""
    s3, rds, dynamodb = (local_stack.client(each) for each in ("s3", "rds", "dynamodb"))
    own = ITS_OWN["manga-fm-results"]
    dynamodb.put_item(TableName=own, Item={"fingerprint": {"S": "paid for"}})
    restore = [each for each in OF_A_RESTORE if is_run(each)]
    assert len(restore) >= 20
    names = dict(restore_world)
    for command in restore:
        said = run(with_words(command, names), local_stack)
        if command.words()[2] == "create-backup":
            names["BACKUP_ARN"] = json.loads(said)["BackupDetails"]["BackupArn"]
    bucket, key = names["BUCKET"], names["KEY"]
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"as it was"
    assert dynamodb.get_item(TableName=own, Key={"fingerprint": {"S": "paid for"}})["Item"]
    assert dynamodb.describe_table(TableName=own)["Table"]["DeletionProtectionEnabled"] is True
    ttl = dynamodb.describe_time_to_live(TableName=own)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires_at")
    assert f"{own}-2" not in dynamodb.list_tables()["TableNames"]
    assert [each["DBSnapshotIdentifier"] for each in rds.describe_db_snapshots()["DBSnapshots"]] == ["brought-back"]


@pytest.fixture
def account(local_stack: LocalStack, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What stands for the words of the pages in an account that has a database, and goes afterwards."""
    rds, secrets, s3 = (local_stack.client(each) for each in ("rds", "secretsmanager", "s3"))
    rds.create_db_instance(
        DBInstanceIdentifier="its-password",
        Engine="postgres",
        DBInstanceClass="db.t4g.medium",
        AllocatedStorage=20,
        MasterUsername="dagster",
        MasterUserPassword="the-former-one",  # pragma: allowlist secret
    )
    secret = secrets.create_secret(Name="its-password", SecretString="{}")["ARN"]
    (tmp_path / "manga.env").write_text("MANGA_CONCURRENCY=8\n")
    yield {
        "DATABASE": "its-password",
        "SECRET": secret,
        "$NEW": "another",
        "your-bucket": "a-bucket-of-yours",
        "cp manga.env": f"cp {tmp_path / 'manga.env'}",
        "data/catalog": str(REPOSITORY / "data" / "catalog"),
    }
    rds.delete_db_instance(DBInstanceIdentifier="its-password", SkipFinalSnapshot=True)
    secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    for each in s3.list_objects_v2(Bucket="a-bucket-of-yours")["Contents"]:
        s3.delete_object(Bucket="a-bucket-of-yours", Key=each["Key"])
    s3.delete_bucket(Bucket="a-bucket-of-yours")


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed: its arguments were looked at")
@pytest.mark.slow
def test_what_the_pages_say_beside_runs_on_the_emulator(local_stack: LocalStack, account: dict[str, str]) -> None:
    """Bucket and catalog of an empty account, settings, a partner's key, another password."""
    assert len(OTHERS) >= 5
    said = {each.text: run(with_words(each, account), local_stack) for each in OTHERS}
    assert next(each for line, each in said.items() if "get-api-keys" in line).strip() not in ("", "None")
    kept = local_stack.client("s3").list_objects_v2(Bucket="a-bucket-of-yours")["Contents"]
    assert {each["Key"] for each in kept} == {"catalog.jsonl", "manga.env"}
    text = local_stack.client("secretsmanager").get_secret_value(SecretId=account["SECRET"])["SecretString"]
    assert json.loads(text)["password"] == "another"


def with_words(command: Command, names: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], command.text)


def run(line: str, local_stack: LocalStack) -> str:
    environment = {**os.environ, **local_stack.environment(), "AWS_PAGER": ""}
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
    return done.stdout
