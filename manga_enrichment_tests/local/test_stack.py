"""The local stack starts, keeps its data, refuses a second owner and leaves no process behind. Real processes."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from manga_enrichment.aws.outbound.callbacks import HttpsCallbacks
from manga_enrichment.domain.callbacks.signatures import partner_signing_key, signed_headers
from manga_enrichment.local.stack.callback_receiver import read_callbacks
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig, StackRunningError, connect
from manga_enrichment.local.stack.processes import ChildEndedError, answers
from manga_enrichment.runtime.processes import process_exists
from manga_enrichment.settings import load_settings, signing_key

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LEDGER = "manga-fm-results"
PROGRAMS = 3
"""Emulator, model server, callback receiver."""


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition came true; the limit only keeps a broken test from hanging."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


def write_something(stack: LocalStack) -> None:
    s3, dynamodb = stack.client("s3"), stack.client("dynamodb")
    for body in (b"first", b"second"):
        s3.put_object(Bucket=stack.endpoints.bucket, Key="enrichment/t/part.parquet", Body=body)
    dynamodb.put_item(TableName=LEDGER, Item={"fingerprint": {"S": "f1"}, "answer": {"S": "忍者"}})


def assert_something_is_there(stack: LocalStack) -> None:
    s3, dynamodb = stack.client("s3"), stack.client("dynamodb")
    versions = s3.list_object_versions(Bucket=stack.endpoints.bucket)["Versions"]
    assert len(versions) == 2
    current = s3.get_object(Bucket=stack.endpoints.bucket, Key="enrichment/t/part.parquet")
    assert current["Body"].read() == b"second"
    item = dynamodb.get_item(TableName=LEDGER, Key={"fingerprint": {"S": "f1"}})["Item"]
    assert item["answer"]["S"] == "忍者"


def test_plain_boto3_reaches_the_stack_through_the_environment_alone(
    local_stack: LocalStack, aws_environment: dict[str, str]
) -> None:
    boto3.client("s3").head_bucket(Bucket=aws_environment["MANGA_BUCKET"])
    assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert boto3.client("bedrock-runtime").meta.endpoint_url == local_stack.endpoints.model_url


def test_a_users_profile_and_proxy_do_not_reach_the_stack(
    local_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production-that-does-not-exist")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert local_stack.client("s3").list_buckets()["Buckets"]


def test_a_running_stack_can_be_joined_and_a_second_one_on_its_folder_is_refused(
    local_stack: LocalStack,
) -> None:
    state_dir = local_stack.config.state_dir
    assert connect(state_dir) == local_stack.endpoints
    second = LocalStack(LocalStackConfig(state_dir))
    with pytest.raises(StackRunningError, match=f"already running on .*process {os.getpid()}"):
        second.start()
    second.stop()
    assert connect(state_dir) == local_stack.endpoints, "the refused one leaves the running one alone"


def test_a_folder_without_a_stack_or_with_a_stale_record_has_nothing_to_join(tmp_path: Path) -> None:
    assert connect(tmp_path) is None
    record = {"pid": os.getpid(), "emulator_port": 9, "model_port": 9, "bucket": "b"}
    for text in ("nonsense", "[]", json.dumps(record), json.dumps({**record, "pid": 2**22 + 1})):
        (tmp_path / "stack.json").write_text(text, "utf-8")
        assert connect(tmp_path) is None


def test_the_stack_hears_callbacks_and_its_environment_lets_them_out(
    local_stack: LocalStack, aws_environment: dict[str, str]
) -> None:
    settings = load_settings()
    endpoints = local_stack.endpoints
    assert settings.callback_allow_loopback
    assert (settings.results_topic_arn, settings.alerts_topic_arn) == (
        local_stack.outputs["ResultsTopicArn"],
        local_stack.outputs["AlertsTopicArn"],
    )
    body = json.dumps({"event_id": "evt_1", "partner_id": "acme"}).encode()
    key = signing_key(settings)
    assert key is not None
    headers = signed_headers(partner_signing_key(key, "acme"), body, datetime.now(UTC))
    sender = HttpsCallbacks(allow_loopback=True)
    assert sender.post(endpoints.callback_url, body, headers).status == 204
    assert sender.post(endpoints.callback_url, body, {}).status == 401
    heard = read_callbacks(local_stack.config.state_dir / "callbacks.jsonl")
    assert [bool(each.problem) for each in heard if each.event["event_id"] == "evt_1"] == [False, True]


def test_data_survives_a_restart_and_every_process_is_gone_in_between(tmp_path: Path) -> None:
    with LocalStack(LocalStackConfig(tmp_path)) as stack:
        write_something(stack)
        pids, health = stack.pids, stack.endpoints.model_url + "/_control/health"
        assert answers(health)
        assert len(pids) == PROGRAMS
    assert not any(process_exists(pid) for pid in pids)
    assert not answers(health)
    assert connect(tmp_path) is None
    with LocalStack(LocalStackConfig(tmp_path)) as stack:
        assert_something_is_there(stack)


def test_nobody_else_on_the_machine_can_read_what_a_stack_keeps(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    with LocalStack(LocalStackConfig(state_dir)) as stack:
        write_something(stack)
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in (state_dir, *state_dir.rglob("*"))}
    assert state_dir / "stack.json" in found
    assert any("s3" in path.parts and path.is_file() for path in found)
    assert not {str(path): oct(mode) for path, mode in found.items() if mode & 0o077}
    state_dir.chmod(0o755)  # as an earlier version made it
    with LocalStack(LocalStackConfig(state_dir)):
        assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700


def test_a_stack_that_keeps_nothing_starts_empty_again(tmp_path: Path) -> None:
    for _ in range(2):
        with LocalStack(LocalStackConfig(tmp_path, persist=False)) as stack:
            assert "Contents" not in stack.client("s3").list_objects_v2(Bucket=stack.endpoints.bucket)
            write_something(stack)


def test_data_survives_a_kill_of_the_owner_and_no_process_does(tmp_path: Path) -> None:
    source = f"""
import time
from pathlib import Path
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from test_stack import write_something
with LocalStack(LocalStackConfig(Path({str(tmp_path)!r}))) as stack:
    write_something(stack)
    print(*stack.pids, flush=True)
    time.sleep(600)
"""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    owner = subprocess.Popen(
        [sys.executable, "-c", source], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.send_signal(signal.SIGKILL)
    assert len(pids) == PROGRAMS
    # At once: the start waits until the orphaned emulator has saved its state.
    with LocalStack(LocalStackConfig(tmp_path)) as stack:
        assert_something_is_there(stack)
        assert eventually(lambda: not any(process_exists(pid) for pid in pids))


def test_an_emulator_killed_before_it_saved_anything_does_not_block_the_next_start(tmp_path: Path) -> None:
    with LocalStack(LocalStackConfig(tmp_path)) as stack:
        write_something(stack)
        emulator = stack.pids[0]
        os.kill(emulator, signal.SIGKILL)
        with pytest.raises(ChildEndedError, match="The AWS emulator ended by itself"):
            stack.wait()
    with LocalStack(LocalStackConfig(tmp_path)) as stack:
        assert "Contents" not in stack.client("s3").list_objects_v2(Bucket=stack.endpoints.bucket)
    assert list(tmp_path.glob("emulator.unsaved-*"))


@pytest.mark.parametrize("how_to_stop", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_command_prints_the_environment_and_stops_cleanly(
    tmp_path: Path, how_to_stop: signal.Signals
) -> None:
    command = [sys.executable, "-m", "manga_enrichment.local.stack.local_stack", "--state-dir", str(tmp_path)]
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert served.stderr is not None
        for line in served.stdout:
            lines.append(line.strip())
            if line.startswith("export MANGA_BUCKET="):
                break
        endpoints = connect(tmp_path)
        assert endpoints is not None
        served.send_signal(how_to_stop)
        errors = served.stderr.read()
    assert served.returncode == 0, errors
    assert f"export AWS_ENDPOINT_URL={endpoints.emulator_url}" in lines
    assert lines[0].startswith("unset AWS_PROFILE")
    assert connect(tmp_path) is None
    assert not answers(endpoints.emulator_url + "/_ministack/health")


def test_pytest_leaves_no_process_behind(tmp_path: Path) -> None:
    inner = tmp_path / "test_inner.py"
    inner.write_text(
        "from pathlib import Path\n"
        "def test_inner(local_stack):\n"
        "    Path(__file__).with_name('pids').write_text(' '.join(map(str, local_stack.pids)))\n"
        "    assert False, 'a failing test must not leave anything either'\n",
        "utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-p", "manga_enrichment_tests.conftest", "-p", "no:cacheprovider"]
    ended = subprocess.run([*command, str(inner)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "1 failed" in ended.stdout, ended.stdout + ended.stderr
    pids = [int(pid) for pid in (tmp_path / "pids").read_text("utf-8").split()]
    assert len(pids) == PROGRAMS
    assert not any(process_exists(pid) for pid in pids)
