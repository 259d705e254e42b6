"""`manga-enrichment --local ...` finds the running stack by its folder, and by nothing else."""

import json
import os
import uuid
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.cli.local_stack import stack_sentences
from manga_enrichment.domain.requests.queues import NORMAL
from manga_enrichment.local.stack.endpoints import LocalEndpoints
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.cli.conftest import Command

BATCH = {"items": [{"manga_id": "MNG-C4G0F4AW", "analysis_type": "reading_level"}]}


@pytest.fixture
def state_dir(local_stack: LocalStack) -> Path:
    return local_stack.config.state_dir


def test_a_command_reaches_the_stack_without_any_export_and_leaves_the_environment_alone(
    command: Command, state_dir: Path
) -> None:
    """This test's environment points nowhere."""
    before = dict(os.environ)
    result = command("--local", "--state-dir", state_dir, "dlq", "depth", "--json")
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)) == {"manga-fm-dlq", "manga-fm-dlq.fifo"}
    assert dict(os.environ) == before


def test_a_users_profile_does_not_send_a_local_command_to_aws(
    command: Command, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production-that-does-not-exist")
    assert command("--local", "--state-dir", state_dir, "dlq", "depth").exit_code == 0


def test_without_a_running_stack_it_stops_instead_of_going_to_aws(command: Command, tmp_path: Path) -> None:
    result = command("--local", "--state-dir", tmp_path, "status", uuid.uuid4())
    assert result.exit_code == 1
    assert f"No local stack runs on {tmp_path}: start one in another shell with `make dev`." in result.output


def test_a_command_that_finds_no_aws_says_that_a_stack_runs_here(
    command: Command, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = command("--state-dir", state_dir, "dlq", "depth")
    assert "No AWS region is set" in result.output
    assert "say manga-enrichment --local" in result.output
    assert "--local" not in command("--state-dir", tmp_path, "dlq", "depth").output


def test_a_batch_without_callback_calls_the_stacks_receiver(
    command: Command, gateways: Gateways, local_stack: LocalStack, state_dir: Path, tmp_path: Path
) -> None:
    endpoints: LocalEndpoints = local_stack.endpoints
    theirs = "https://hooks.acme.example/manga"
    for name, body in (("ours", BATCH), ("theirs", {**BATCH, "callback_url": theirs})):
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(body), "utf-8")
        result = command("--local", "--state-dir", state_dir, "submit", file)
        assert result.exit_code == 0, result.output
    messages = gateways.queues.receive(NORMAL.name, max_messages=10, wait_seconds=0)
    gateways.queues.delete(NORMAL.name, [each.receipt_handle for each in messages])
    urls = {json.loads(each.body)["body"]["callback_url"] for each in messages}
    assert urls == {endpoints.callback_url, theirs}


def test_ctrl_c_while_a_stack_starts_is_a_sentence() -> None:
    @click.command()
    def starts() -> None:
        with stack_sentences():
            raise KeyboardInterrupt

    result = CliRunner().invoke(starts)
    assert (result.exit_code, result.output) == (130, "\nStopped; what was started here ends with it.\n")
