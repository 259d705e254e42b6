"""Every `aws` command of the pages has the arguments of its operation, and those of a restore run on the emulator.

Arguments are held to botocore's model of the operation, from which the AWS CLI makes its own. `aws cloudformation
deploy` of the plan is run by `test_deploy_plan.py`.
"""

import os
import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore import xform_name

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.documents import PAGES, REPOSITORY, Command, commands
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
    ("sso", "login"): set(),
}
"""Commands that are no operations, with what we say to them."""
RENAMED = {("sns", "subscribe"): {"--notification-endpoint"}}
"""Options that the AWS CLI calls otherwise than the operation does, since the name is taken."""
INLINE = [
    Command(page.relative_to(REPOSITORY).as_posix(), text)
    for page in PAGES
    for text in re.findall(r"`(aws [a-z0-9-]+ [^`]+)`", re.sub(r"\n *", " ", page.read_text("utf-8")))
]
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
}
"""Operations of a restore that are not run, and why."""


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed: its arguments were looked at")
@pytest.mark.slow
def test_what_a_restore_takes_runs_on_the_emulator(local_stack: LocalStack) -> None:
    """In the order of the page; `aws cloudformation deploy` between them is `test_dagster_deployed.py`'s."""
    s3, rds, dynamodb = (local_stack.client(each) for each in ("s3", "rds", "dynamodb"))
    bucket, key = local_stack.endpoints.bucket, "enrichment/enriched_catalog/0.parquet"
    wanted = s3.put_object(Bucket=bucket, Key=key, Body=b"as it was")["VersionId"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"as nobody wants it")
    rds.create_db_instance(
        DBInstanceIdentifier="brought-back", Engine="postgres", DBInstanceClass="db.t4g.medium", AllocatedStorage=20
    )
    names = {"BUCKET": bucket, "KEY": key, "VERSION": wanted, "2026-11-28T01:00:00Z": datetime.now(UTC).isoformat()}
    page = (REPOSITORY / "docs" / "aws.md").read_text("utf-8").partition("## A restore")[2].partition("\n## ")[0]
    told = re.sub(r" *\\\n *", " ", page)
    restore = [each for each in TYPED if each.text in told and each.words()[1] in ("rds", "s3api", "dynamodb")]
    assert len(restore) >= 12
    try:
        for command in restore:
            if command.words()[2] not in NOT_ON_THE_EMULATOR:
                run(re.sub("|".join(names), lambda found: names[found[0]], command.text), local_stack)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"as it was"
        table = dynamodb.describe_table(TableName="manga-fm-results-2")["Table"]
        assert table["DeletionProtectionEnabled"] is True
        ttl = dynamodb.describe_time_to_live(TableName="manga-fm-results-2")["TimeToLiveDescription"]
        assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires_at")
        assert [each["DBSnapshotIdentifier"] for each in rds.describe_db_snapshots()["DBSnapshots"]] == ["brought-back"]
    finally:
        for name in ("manga-fm-results-2", "manga-fm-budget-2"):
            dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
            dynamodb.delete_table(TableName=name)
        s3.delete_object(Bucket=bucket, Key=key)


def run(line: str, local_stack: LocalStack) -> None:
    environment = {**os.environ, **local_stack.environment(), "AWS_PAGER": ""}
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
