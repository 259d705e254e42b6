"""infra/dagster.yaml after the stacks before it, on the emulator, and a run that the real launcher starts.

What the emulator leaves out: PostgreSQL behind the database's address, containers behind the tasks (it says RUNNING and
runs nothing), their network interfaces, names that resolve, a load balancer that asks who somebody is, roles that
refuse, and the `Rules` of a template.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.provision import deploy_stack
from manga_enrichment_tests.infra.dagster_stack import INSTANCE, RESOURCES, SERVICES
from manga_enrichment_tests.infra.templates import INFRA, read_template

STAGE = {"MangaStage": "ecs"}
STACK = "ecs-dagster"
REPOSITORY = Path(__file__).resolve().parents[2]
Deploy = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def deploy(local_stack: LocalStack) -> Iterator[Deploy]:
    """Deploys the stack of Dagster, after those that it takes outputs of, under a stage of its own."""
    cloudformation = local_stack.client("cloudformation")
    thrown_away = {**STAGE, "DeletionProtection": "false"}
    told: dict[str, str] = {}

    def stack(name: str, given: dict[str, str]) -> None:
        told.update(deploy_stack(cloudformation, f"ecs-{name}", INFRA / f"{name}.yaml", given))

    def deploy(**by_people: str) -> dict[str, str]:
        asked = read_template("dagster.yaml")["Parameters"]
        from_stacks = {name: value for name, value in told.items() if name in asked and name != "UiUrl"}
        stack("dagster", {**thrown_away, **network, **from_stacks, **chosen(), **by_people})
        return dict(told)

    before = {"registry": STAGE, "storage": thrown_away, "outbox": thrown_away, "queues": STAGE}
    try:
        network = network_of(local_stack.client("ec2"))
        for name, given in before.items():
            stack(name, given)
        stack("rights", {**STAGE, "ResultsBucketName": told["ResultsBucketName"]})
        yield deploy
    finally:
        for name in ("dagster", "rights", *before):
            cloudformation.delete_stack(StackName=f"ecs-{name}")


def network_of(ec2: Any) -> dict[str, str]:
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    made = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24")["Subnet"] for number in (0, 1)]
    return {"VpcId": vpc, "SubnetIds": ",".join(each["SubnetId"] for each in made)}


def chosen() -> dict[str, str]:
    pages = {"BrowseHost": "titles.example.com"}
    return {"ImageTag": "1", "ApiUrl": "", "CatalogUri": "s3://b/c.parquet", "BudgetUsdPerDay": "5", **pages}


@pytest.fixture(scope="module")
def outputs(deploy: Deploy) -> dict[str, str]:
    return deploy()


def services(ecs: Any, outputs: dict[str, str]) -> dict[str, Any]:
    names = {outputs[f"{each.removesuffix('Service')}ServiceName"]: each for each in SERVICES}
    found = ecs.describe_services(cluster=outputs["ClusterName"], services=list(names))["services"]
    return {names[each["serviceName"]]: each for each in found}


def test_all_of_it_is_made_and_one_daemon_is_asked_for(local_stack: LocalStack, outputs: dict[str, str]) -> None:
    resources = local_stack.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    assert {each["LogicalResourceId"]: each["ResourceStatus"] for each in resources} == dict.fromkeys(
        RESOURCES, "CREATE_COMPLETE"
    )
    made = services(local_stack.client("ecs"), outputs)
    assert {name: each["desiredCount"] for name, each in made.items()} == dict.fromkeys(SERVICES, 1)
    daemon = made["DaemonService"]["deploymentConfiguration"]
    assert (daemon["minimumHealthyPercent"], daemon["maximumPercent"]) == (0, 100)


def test_an_upgrade_is_a_new_revision_of_each_task_and_a_rollback_is_one_more(
    local_stack: LocalStack, deploy: Deploy, outputs: dict[str, str]
) -> None:
    ecs, secret = local_stack.client("ecs"), secret_values(local_stack)
    for tag in ("2", "1"):
        now = deploy(ImageTag=tag)
        tasks = [each["taskDefinition"] for each in services(ecs, now).values()]
        for arn in [*tasks, now["RunTaskDefinition"]]:
            task = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
            assert task["containerDefinitions"][0]["image"] == f"{outputs['RepositoryUri']}:{tag}"
    assert secret_values(local_stack) == secret, "partners go on verifying what they verified"


def test_servers_can_be_stopped_for_a_restore_and_started_again(
    local_stack: LocalStack, deploy: Deploy, outputs: dict[str, str]
) -> None:
    for servers, count in (("off", 0), ("on", 1)):
        made = services(local_stack.client("ecs"), deploy(Servers=servers))
        assert {each["desiredCount"] for each in made.values()} == {count}


def secret_values(local_stack: LocalStack) -> list[str]:
    """Of the stack: the database's password, and what partners' secrets are derived from."""
    manager = local_stack.client("secretsmanager")
    names = [each["Name"] for each in manager.list_secrets()["SecretList"] if each["Name"].startswith(STACK)]
    found = [manager.get_secret_value(SecretId=name)["SecretString"] for name in sorted(names)]
    return [json.loads(each)["password"] if each.startswith("{") else each for each in found]


def test_a_run_starts_as_the_launcher_starts_it_and_no_secret_is_seen_anywhere(
    local_stack: LocalStack, outputs: dict[str, str], tmp_path: Path
) -> None:
    """`dagster job launch` with the launcher of deploy/dagster.yaml, where the daemon would be."""
    ecs, values = local_stack.client("ecs"), secret_values(local_stack)
    assert {len(each) for each in values} == {40, 64}
    before = set(ecs.list_tasks(cluster=outputs["ClusterName"])["taskArns"])
    with metadata_of_the_daemon(ecs, outputs) as metadata:
        launch(local_stack, tmp_path, metadata, outputs, dict(zip(("CALLBACK", "PASSWORD"), values, strict=True)))
    (started,) = set(ecs.list_tasks(cluster=outputs["ClusterName"])["taskArns"]) - before
    (task,) = ecs.describe_tasks(cluster=outputs["ClusterName"], tasks=[started], include=["TAGS"])["tasks"]
    assert task["taskDefinitionArn"] == outputs["RunTaskDefinition"]
    assert "dagster/run_id" in {each["key"] for each in task["tags"]}
    (override,) = task["overrides"]["containerOverrides"]
    assert override["name"] == "run"
    assert override["command"][:3] == ["dagster", "api", "execute_run"]
    assert len(json.dumps(task["overrides"])) < 8192
    for value in values:
        assert value not in everything_seen(local_stack, ecs, outputs)


def everything_seen(local_stack: LocalStack, ecs: Any, outputs: dict[str, str]) -> str:
    """What people with the right to look see of the stack and of its tasks."""
    cloudformation = local_stack.client("cloudformation")
    tasks = ecs.list_tasks(cluster=outputs["ClusterName"])["taskArns"]
    definitions = [
        ecs.describe_task_definition(taskDefinition=arn)
        for arn in ecs.list_task_definitions(familyPrefix="ecs-")["taskDefinitionArns"]
    ]
    seen = [
        *definitions,
        ecs.describe_tasks(cluster=outputs["ClusterName"], tasks=tasks),
        cloudformation.get_template(StackName=STACK),
        cloudformation.describe_stacks(StackName=STACK),
        cloudformation.describe_stack_events(StackName=STACK),
    ]
    assert len(definitions) >= 4
    return str(seen)


@contextmanager
def metadata_of_the_daemon(ecs: Any, outputs: dict[str, str]) -> Iterator[str]:
    """What ECS tells a container about itself, at an address of this machine."""
    cluster = outputs["ClusterName"]
    (task,) = ecs.list_tasks(cluster=cluster, serviceName=outputs["DaemonServiceName"])["taskArns"]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"Name": "daemon", "Cluster": cluster, "TaskARN": task}).encode())

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def launch(
    local_stack: LocalStack, home: Path, metadata: str, outputs: dict[str, str], secrets: dict[str, str]
) -> None:
    at_once = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    instance = {"run_launcher": INSTANCE["run_launcher"], "run_coordinator": at_once, "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), "utf-8")
    environment = {
        **os.environ,
        **local_stack.environment(),
        "DAGSTER_HOME": str(home),
        "ECS_CONTAINER_METADATA_URI_V4": metadata,
        "MANGA_RUN_TASK_DEFINITION": outputs["RunTaskDefinition"],
        "DAGSTER_PG_PASSWORD": secrets["PASSWORD"],
        "MANGA_CALLBACK_SECRET": secrets["CALLBACK"],
    }
    command = ["dagster", "job", "launch", "-m", "manga_enrichment.definitions", "-j", "prune_run_history"]
    done = subprocess.run(
        [Path(sys.executable).parent / command[0], *command[1:]],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-4000:]
