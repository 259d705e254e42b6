"""deploy/: instances of Dagster that are as the one of `make dev` but for what says why, and an image that is built."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from dagster_postgres import DagsterPostgresStorage

from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.requests.policies import NO_POLICIES
from manga_enrichment.runtime.garbage import FEW_HEAPS
from manga_enrichment.settings import Settings, known_analyses, partner_policies

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SHIPPED, AWS, COMPOSE_INSTANCE, COMPOSE = (
    yaml.safe_load((ROOT / name).read_text("utf-8"))
    for name in ("dagster.yaml", "deploy/dagster.yaml", "deploy/compose/dagster.yaml", "deploy/compose.yaml")
)
INSTANCES = pytest.mark.parametrize("instance", [AWS, COMPOSE_INSTANCE], ids=["aws", "compose"])
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
SAME = ("run_coordinator", "run_retries", "sensors", "schedules", "retention", "telemetry", "nux")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What containers are given."""
    for name in re.findall(r"env: (\w+)", "".join(path.read_text("utf-8") for path in DEPLOY.rglob("*.yaml"))):
        monkeypatch.setenv(name, "given")


def check_config(owner: Any, config: Any) -> None:
    """Raises DagsterInvalidConfigError. owner: what the instance would make of it."""

    @dg.op(config_schema=owner.config_type())
    def takes() -> None: ...

    @dg.job
    def taking() -> None:
        takes()

    dg.validate_run_config(taking, {"ops": {"takes": {"config": config}}})


@INSTANCES
def test_what_has_no_reason_to_differ_is_that_of_make_dev(instance: dict[str, Any]) -> None:
    assert {name: instance[name] for name in SAME} == {name: SHIPPED[name] for name in SAME}
    assert instance["concurrency"]["pools"] == SHIPPED["concurrency"]["pools"]
    limits = {each["key"] for each in SHIPPED["concurrency"]["runs"]["tag_concurrency_limits"]}
    assert {each["key"] for each in instance["concurrency"]["runs"]["tag_concurrency_limits"]} == limits
    assert instance["run_monitoring"]["free_slots_after_run_end_seconds"] > 0


@INSTANCES
def test_history_is_in_postgres_by_a_scheme_that_sqlalchemy_takes_for_psycopg2(instance: dict[str, Any]) -> None:
    storage = instance["storage"]["postgres"]
    assert storage["postgres_db"]["scheme"] == "postgresql+psycopg2"
    check_config(DagsterPostgresStorage, storage)


@INSTANCES
def test_no_secret_is_written_into_an_instance(instance: dict[str, Any]) -> None:
    """Dagster hands `storage` on to each run in clear text, but for what is `{env: ...}`."""
    database = instance["storage"]["postgres"]["postgres_db"]
    assert all(set(database[name]) == {"env"} for name in ("hostname", "username", "password"))
    assert "env_vars" not in json.dumps(instance)


def test_launcher_and_logs_on_aws_take_what_they_are_given() -> None:
    check_config(EcsRunLauncher, AWS["run_launcher"]["config"])
    check_config(S3ComputeLogManager, AWS["compute_logs"]["config"])
    assert AWS["run_launcher"]["class"] == EcsRunLauncher.__name__
    assert AWS["compute_logs"]["class"] == S3ComputeLogManager.__name__
    with pytest.raises(dg.DagsterInvalidConfigError):
        check_config(EcsRunLauncher, {**AWS["run_launcher"]["config"], "task": "?"})


def test_a_fleet_has_places_for_what_the_settings_allow() -> None:
    runs = AWS["concurrency"]["runs"]
    limits = {each["key"]: each for each in runs["tag_concurrency_limits"]}
    most = Settings.model_fields["queue_max_runs"].default
    assert limits["manga/queue"]["limit"] == most
    assert limits["manga/queue"]["value"] == {"applyLimitPerUniqueValue": True}
    assert limits["manga/resident"]["limit"] >= 2 * most
    without_queues = sum(limits[key]["limit"] for key in ("manga/resident", "night", "dagster/backfill"))
    assert runs["max_concurrent_runs"] >= without_queues + 2 * most


def test_servers_and_code_server_speak_of_one_another() -> None:
    (server,) = (each["grpc_server"] for each in yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"])
    assert server["host"] == {"env": "CODE_SERVER_HOST"}
    code = COMPOSE["services"]["code"]
    assert COMPOSE["x-dagster"]["environment"]["CODE_SERVER_HOST"] == code["hostname"] == "code"
    for command in (" ".join(code["command"]), DOCKERFILE.replace('", "', " ")):
        assert f"--port {server['port']}" in command
        assert f"--location-name {server['location_name']}" in command
        assert "--module-name manga_enrichment.definitions" in command


def test_there_is_one_daemon_and_nobody_else_reaches_the_ui() -> None:
    assert COMPOSE["services"]["daemon"]["deploy"] == {"replicas": 1}
    published = [port for each in COMPOSE["services"].values() for port in each.get("ports", ())]
    assert published == ["127.0.0.1:3000:3000", "127.0.0.1:3001:3001"]
    assert all("healthcheck" in each for each in COMPOSE["services"].values())


def test_the_example_names_settings_that_there_are() -> None:
    lines = (DEPLOY / "compose" / "settings.env.example").read_text("utf-8").splitlines()
    names = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    ours = {f"MANGA_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in names if name.startswith("MANGA_")} <= ours
    assert {"MANGA_ALERTS_TOPIC_ARN", "MANGA_RESULTS_TOPIC_ARN"} <= set(names)


def test_the_image_is_slim_locked_and_not_roots() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(stages)) == 1, "what is built is run on what it was built on"
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", stages[0])
    assert "--constraint constraints.txt" in DOCKERFILE
    last = DOCKERFILE.split("\nFROM ")[-1]
    user = re.search(r"^USER (\d+)$", last, re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    assert "\nENTRYPOINT" not in last, "a launcher gives a run's whole command"
    assert "\nHEALTHCHECK" in last
    assert {*re.findall(r"^(?:ENV| ) +(\w+=\w+)", last, re.MULTILINE)} >= {f"{a}={b}" for a, b in FEW_HEAPS.items()}


def sources() -> list[str]:
    """What the image is made of, as the Dockerfile copies it from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    words = [[word for word in line.split() if not word.startswith("--")] for line in lines]
    return [source for *copied, _target in words for source in copied]


def context(to: Path) -> None:
    """A folder with what .dockerignore lets through and the Dockerfile copies."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in sources():
        files = [path for path in [ROOT / source, *(ROOT / source).rglob("*")] if path.is_file()]
        for file in files:
            name = file.relative_to(ROOT).as_posix()
            if "__pycache__" not in name and any(name == each or fnmatch.fnmatch(name, f"{each}/*") for each in kept):
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, to / name)
        assert files, f"{source} does not exist"


OWN = {"MANGA_ANALYSES_DIR": DEPLOY / "own" / "analyses", "MANGA_PARTNERS_FILE": ROOT / "infra" / "partners.json"}
"""What the image's settings name, and of what it is a copy."""


def test_what_a_deployment_brings_is_copied_to_where_the_image_says_that_it_is() -> None:
    told = dict(re.findall(r"^ +(MANGA_\w+)=(\S+?)(?: \\)?$", DOCKERFILE, re.MULTILINE))
    assert told.keys() == OWN.keys()
    (copied,) = re.findall(r"^COPY --chown=root:root (.+) /opt/dagster/own/$", DOCKERFILE, re.MULTILINE)
    for name, source in OWN.items():
        assert told[name] == f"/opt/dagster/own/{source.name}"
        assert source.exists()
        place = source.relative_to(ROOT)
        assert {str(place), str(place.parent)} & set(copied.split())
    settings = Settings.model_validate(
        {name.removeprefix("MANGA_").lower(): str(source) for name, source in OWN.items()}
    )
    versions = [
        {name: (each.version, each.model_alias) for name, each in found.of_titles.items()}
        for found in (known_analyses(settings), packaged_analyses())
    ]
    assert versions[0] == versions[1], "an empty folder changes nothing"
    assert partner_policies(settings) != NO_POLICIES


def test_the_folder_says_where_its_files_are_in_the_image() -> None:
    page = (DEPLOY / "own" / "README.md").read_text("utf-8")
    lines = dict(re.findall(r"`(MANGA_\w+)=(\S+)`", page))
    assert lines.keys() == {"MANGA_MODELS_FILE", "MANGA_CATALOG_MAPPING"}
    assert all(f"/own/{Path(each).name}" in each and f"`{Path(each).name}`" in page for each in lines.values())


@pytest.mark.slow
def test_what_is_copied_into_the_image_is_enough_to_build_the_package(tmp_path: Path) -> None:
    context(tmp_path / "src")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "out")]
    done = subprocess.run(build, cwd=tmp_path / "src", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").glob("manga_enrichment-*.whl")
    assert wheel.stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed: the image is not built here")
def test_the_image_is_built_and_its_program_starts(tmp_path: Path) -> None:
    build = ["buildah", "bud", "--isolation", "chroot", "--file", str(DEPLOY / "Dockerfile"), "--tag", "manga-test"]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, check=False)
    if "pinging container registry" in done.stderr or "no such host" in done.stderr:
        pytest.skip("the base image cannot be fetched here")
    assert done.returncode == 0, done.stderr[-4000:]
    container = subprocess.run(["buildah", "from", "manga-test"], capture_output=True, text=True, check=True).stdout
    words = ["manga-enrichment", "--version"]
    started = ["buildah", "run", "--isolation", "chroot", container.strip(), "--", *words]
    assert subprocess.run(started, capture_output=True, text=True, check=True).stdout.startswith("manga-enrichment")
