#!/usr/bin/env bash
# One would guess: where an emulator of ECS has no Docker to start containers with, RunTask answers with a failure, or
#   the task stops with a reason, as a task whose image cannot be pulled does on AWS.
# True: ministack accepts the task and reports task and container as RUNNING at once, with the time at which the image
#   was pulled, though no image of this name can exist. Nothing is started, no exit code ever comes, and StopTask then
#   stops it in good order.
# Why it matters here: Dagster's ECS launcher takes RUNNING for a healthy run worker, so a run launched on the local
#   stack never starts and nobody says why. Such a test of a deployment covers the API calls and nothing behind them.
# Seen with ministack 1.5.33 and boto3 1.43.106:
#   run_task: failures [], RUNNING; five looks later: RUNNING, desired RUNNING, exit codes [None]; stop_task: STOPPED
set -euo pipefail
unset PYTHONPATH AWS_PROFILE AWS_DEFAULT_PROFILE
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
folder=$(mktemp -d)
emulator=
stop() {
    if [ -n "$emulator" ]; then kill "$emulator" 2>/dev/null || true; wait "$emulator" || true; fi
}
trap 'stop; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106

free='import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
port=$("$folder/venv/bin/python" -c "$free")
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" LOG_LEVEL=ERROR SFTP_ENABLED=0 IOT_MTLS_ENABLED=0 PERSIST_STATE=0 \
    S3_PERSIST=0 STATE_DIR="$folder/state" DOCKER_HOST=unix:///nonexistent/docker.sock \
    "$folder/venv/bin/python" -m ministack.app >"$folder/log" 2>&1 &
emulator=$!

"$folder/venv/bin/python" - "$port" <<'EOF'
import sys
import time
import urllib.request
from importlib.metadata import version

import boto3

address = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(120):
    try:
        urllib.request.urlopen(f"{address}/_ministack/health", timeout=5).close()
        break
    except OSError:
        time.sleep(0.25)
ecs = boto3.client(
    "ecs", endpoint_url=address, region_name="eu-west-1", aws_access_key_id="example", aws_secret_access_key="example"
)
ecs.create_cluster(clusterName="runs")
container = {"name": "run", "image": "registry.invalid/no/such:image", "memory": 128, "command": ["false"]}
ecs.register_task_definition(family="run", containerDefinitions=[container])
started = ecs.run_task(cluster="runs", taskDefinition="run")
task = started["tasks"][0]
print(f"ministack {version('ministack')}, boto3 {version('boto3')}")
print("run_task: failures", started["failures"], task["lastStatus"])
assert (started["failures"], task["lastStatus"]) == ([], "RUNNING"), started
for _ in range(5):
    time.sleep(1)
    seen = ecs.describe_tasks(cluster="runs", tasks=[task["taskArn"]])["tasks"][0]
    states = [(each["lastStatus"], each.get("exitCode"), each.get("reason")) for each in seen["containers"]]
    assert (seen["lastStatus"], seen["desiredStatus"]) == ("RUNNING", "RUNNING"), seen
    assert states == [("RUNNING", None, None)], states
    assert seen["pullStoppedAt"] and not seen["stoppedReason"], seen
print("five looks later:", seen["lastStatus"], "desired", seen["desiredStatus"], states)
stopped = ecs.stop_task(cluster="runs", task=task["taskArn"])["task"]
print("stop_task:", stopped["lastStatus"])
assert stopped["lastStatus"] == "STOPPED", stopped
EOF
