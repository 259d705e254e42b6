"""The printed plan deploys every template in an order in which each has what it takes; bash runs it to its end."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from manga_enrichment.cli import main
from manga_enrichment.domain.operations.deploy_plan import ASKED, STACKS, Stack, deploy_plan
from manga_enrichment.local.dagster_home import prepare_dagster_home
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.provision import MAX_TEMPLATE_BYTES
from manga_enrichment_tests.documents import commands, in_sentences
from manga_enrichment_tests.infra.templates import INFRA, read_template

REPOSITORY = INFRA.parent


def test_every_template_is_deployed_once() -> None:
    assert sorted(f"{each.name}.yaml" for each in STACKS) == sorted(path.name for path in INFRA.glob("*.yaml"))


def always_there(stack: Stack) -> set[str]:
    outputs = read_template(f"{stack.name}.yaml").get("Outputs", {})
    return {name for name, each in outputs.items() if "Condition" not in each}


@pytest.mark.parametrize("number", range(len(STACKS)), ids=[each.name for each in STACKS])
def test_a_stack_is_told_what_it_asks_and_takes_whatever_an_earlier_one_gives(number: int) -> None:
    stack, parameters = STACKS[number], read_template(f"{STACKS[number].name}.yaml")["Parameters"]
    told = {*stack.takes, *stack.says}
    assert told <= set(parameters)
    assert {name for name, each in parameters.items() if "Default" not in each} <= told
    given = {output for earlier in STACKS[:number] for output in earlier.gives}
    assert set(stack.takes.values()) <= given
    could_give = {output for earlier in STACKS[:number] for output in always_there(earlier)}
    assert (could_give & set(parameters)) <= told
    assert set(stack.gives) <= always_there(stack)


@pytest.mark.parametrize("stack", STACKS, ids=lambda each: each.name)
def test_a_stack_is_deployed_as_cloudformation_wants_it(stack: Stack) -> None:
    kinds = {each["Type"] for each in read_template(f"{stack.name}.yaml")["Resources"].values()}
    assert stack.makes_roles == any(kind.startswith("AWS::IAM::") for kind in kinds)
    assert stack.is_large == ((INFRA / f"{stack.name}.yaml").stat().st_size > MAX_TEMPLATE_BYTES)


@pytest.mark.parametrize("stage", ["", "staging"])
def test_the_command_prints_it(stage: str) -> None:
    result = CliRunner().invoke(main, ["deploy-plan", "--stage", stage])
    assert result.exit_code == 0
    assert result.output == deploy_plan(stage)
    assert result.output.count("MangaStage=staging") == (len(STACKS) if stage else 0)
    assert f"\nPREFIX={f'{stage}-' if stage else ''}manga\n" in result.output


def test_a_command_on_ecs_reads_outputs_that_there_are() -> None:
    read = set(re.findall(r"\(output dagster (\w+)\)", deploy_plan()))
    assert len(read) >= 6
    assert read <= set(read_template("dagster.yaml")["Outputs"])


def test_a_stage_that_no_name_could_have_is_refused() -> None:
    result = CliRunner().invoke(main, ["deploy-plan", "--stage", "a-b"])
    assert result.exit_code == 2
    assert "up to 12 lower-case letters and digits" in result.output


def test_make_prints_it() -> None:
    assert "\ndeploy-plan: " in (REPOSITORY / "Makefile").read_text("utf-8")


def bash(script: str, environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", script, "plan.sh", *words],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_what_people_left_out_is_said_before_anything_is_done(name: str) -> None:
    given = {each: "x" for each in ASKED if each != name}
    done = bash(deploy_plan(), {"PATH": "/usr/bin:/bin", **given})
    assert done.returncode != 0
    assert f"{name}: {ASKED[name].split(',')[0]}" in done.stderr


AWS = r"""#!/usr/bin/env bash
# In the CLI's place: says what it was asked. The first wait is over before the task is.
printf '%s\0' "$@" $'\n' >> "$AWS_LOG"
case "$1 $2" in
    "ecs wait") [[ -e $AWS_LOG.waited ]] || { touch "$AWS_LOG.waited"; exit 255; } ;;
    "ecs describe-tasks") echo 0 ;;
    *) [[ "$*" =~ ParameterKey==\'([A-Za-z]+) ]] && echo "former-${BASH_REMATCH[1]}" || echo given ;;
esac
"""


def asked_of_aws(tmp_path: Path, *words: str, **given: str) -> list[list[str]]:
    """Words of each call that the plan makes, where the stack of Dagster has been deployed before."""
    aws, log = tmp_path / "aws", tmp_path / "aws.log"
    aws.write_text(AWS)
    aws.chmod(0o755)
    done = bash(deploy_plan(), {"PATH": f"{tmp_path}:/usr/bin:/bin", "AWS_LOG": str(log), **given}, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split("\0")[:-1] for line in log.read_text("utf-8").split("\n\0")[:-1]]


@pytest.mark.slow
def test_an_upgrade_asks_for_the_version_alone(tmp_path: Path) -> None:
    """What was said before is read from the stack; what is given anew counts."""
    calls = asked_of_aws(tmp_path, IMAGE_TAG="abc1234", BUDGET_USD_PER_DAY="7")
    (dagster,) = (each for each in calls if "infra/dagster.yaml" in each)
    assert {
        "VpcId=former-VpcId",
        "SubnetIds=former-SubnetIds",
        "CatalogUri=former-CatalogUri",
        "BudgetUsdPerDay=7",
        "ImageTag=abc1234",
    } <= set(dagster)
    assert sum("deploy" in each[:2] for each in calls) == len(STACKS)


@pytest.mark.slow
def test_a_command_on_ecs_has_its_words_as_they_are_and_is_waited_for(tmp_path: Path) -> None:
    words = ["manga-enrichment", "sql", 'SELECT "a b"', r"\d", "棚"]
    calls = asked_of_aws(tmp_path, *words)
    (task,) = (each for each in calls if each[:2] == ["ecs", "run-task"])
    (container,) = json.loads(task[task.index("--overrides") + 1])["containerOverrides"]
    assert container == {"name": "run", "command": words}
    assert sum(each[:2] == ["ecs", "wait"] for each in calls) == 2
    assert not [each for each in calls if "deploy" in each[:2]]


ON_ECS = sorted({tuple(each.words()[2:]) for each in (*commands("bash"), *in_sentences("bash")) if each.words()[2:]})
"""What the pages have people run as `bash plan.sh WORD ...`."""
LATER = [each.text for each in commands("aws") if " deploy --stack-name manga-dagster " in each.text]
"""What the pages say to the deployed stack of Dagster: settings, an upgrade, a rollback, a restore.

`test_aws_commands.py` holds their words to the template.
"""


def test_the_pages_have_something_to_run_afterwards() -> None:
    assert ("dagster", "instance", "migrate") in ON_ECS
    assert any(words[0] == "manga-enrichment" for words in ON_ECS)
    told = {word.partition("=")[0] for line in LATER for word in line.partition("--parameter-overrides")[2].split()}
    of_the_door = {name for name in told if name.startswith("Oidc")} | {"CertificateArn", "BrowseHost", "BrowseEdit"}
    assert told == {"Servers", "ImageTag", "SettingsFileArn", "DatabaseSnapshot"} | of_the_door


DOCKER = """#!/usr/bin/env bash
# In Docker's place: says what it was asked.
[[ $1 == login ]] && cat > /dev/null
echo "docker $*" >> "$DOCKER_LOG"
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed: see test_aws_commands.py")
def test_bash_runs_it_to_its_end_on_the_emulator(
    local_stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's part is recorded, the containers of the two commands are played: the emulator has none."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    docker, log = tmp_path / "docker", tmp_path / "docker.log"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    ec2 = local_stack.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.2.{each}.0/24")["Subnet"]["SubnetId"] for each in (0, 1)]
    catalog = local_stack.endpoints.bucket
    local_stack.client("s3").upload_file(str(REPOSITORY / "data/catalog/sample.jsonl"), catalog, "sample.jsonl")
    environment = {
        **os.environ,
        **local_stack.environment(),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DOCKER_LOG": str(log),
        "VPC_ID": vpc,
        "SUBNET_IDS": ",".join(subnets),
        "CATALOG_URI": f"s3://{catalog}/sample.jsonl",
        "BUDGET_USD_PER_DAY": "5",
        "IMAGE_TAG": "abc1234",
    }
    try:
        with containers(local_stack, "plan-manga-enrichment-run", prepare_dagster_home(tmp_path)):
            done = bash(deploy_plan("plan"), environment)
            alone = [bash(deploy_plan("plan"), environment, *words) for words in ON_ECS]
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "works   ledger table" in done.stdout
        assert "off     MANGA_EMAIL_FROM is empty" in done.stdout
        assert "MANGA_ALERTS_TOPIC_ARN is empty" not in done.stdout
        assert re.search(r"total\D+[1-9]", done.stdout), done.stdout[-1500:]
        for ended in alone:
            assert ended.returncode == 0, f"{ended.args}: {ended.stdout[-3000:]}{ended.stderr[-3000:]}"
        assert not [each for each in alone if "changeset" in each.stdout], "a command deploys nothing"
        asked = log.read_text("utf-8").splitlines()
        assert [line.split()[1] for line in asked] == ["login", "build", "push"]
        assert asked[2].endswith("/plan-manga-enrichment:abc1234")
    finally:
        for stack in reversed(STACKS):
            local_stack.client("cloudformation").delete_stack(StackName=f"plan-manga-{stack.name}")


@contextmanager
def containers(local_stack: LocalStack, family: str, home: Path) -> Iterator[None]:
    """Plays the containers of a task definition: a task's command in its environment, its output to its log group.

    home: of Dagster, since no PostgreSQL is there.
    """
    over = threading.Event()
    player = threading.Thread(target=_play, args=(local_stack, family, home, over))
    player.start()
    try:
        yield
    finally:
        over.set()
        player.join()


def _play(local_stack: LocalStack, family: str, home: Path, over: threading.Event) -> None:
    ecs, played = local_stack.client("ecs"), set[str]()
    while not over.wait(0.5):
        for cluster in ecs.list_clusters()["clusterArns"]:
            for arn in ecs.list_tasks(cluster=cluster, family=family)["taskArns"]:
                if arn in played:
                    continue
                played.add(arn)
                try:
                    _run(local_stack, home, cluster, arn)
                finally:
                    ecs.stop_task(cluster=cluster, task=arn)


def _run(local_stack: LocalStack, home: Path, cluster: str, arn: str) -> None:
    ecs = local_stack.client("ecs")
    (task,) = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
    definition = ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    (override,) = task["overrides"]["containerOverrides"]
    told = {each["name"]: each["value"] for each in container["environment"]}
    program = Path(sys.executable).parent / override["command"][0]
    reach = {
        **local_stack.environment(),
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "DAGSTER_HOME": str(home),
    }
    done = subprocess.run(
        [program, *override["command"][1:]],
        env={**reach, **told},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    options, stream = container["logConfiguration"]["options"], f"run/run/{arn.rsplit('/', 1)[1]}"
    logs = local_stack.client("logs")
    logs.create_log_stream(logGroupName=options["awslogs-group"], logStreamName=stream)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line]  # the driver sends no empty ones
    events = [{"timestamp": 1_000 * int(time.time()) + n, "message": line} for n, line in enumerate(lines)]
    logs.put_log_events(logGroupName=options["awslogs-group"], logStreamName=stream, logEvents=events)
