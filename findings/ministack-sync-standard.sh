#!/usr/bin/env bash
# One would guess: an emulator that knows both kinds of state machines refuses StartSyncExecution for a STANDARD one, as
#   AWS does (StateMachineTypeNotSupported), and input that is no JSON or longer than 262,144 bytes (InvalidExecutionInput).
# True: ministack runs all three and answers SUCCEEDED, although it tells the machine's type rightly. It also describes an
#   Express execution, which AWS does not.
# Why it matters here: one call of a partner is one synchronous execution. A template whose machine lost its type, or a
#   front that lets longer bodies in, works on the local stack and answers nobody on AWS. Both have guards and tests
#   of our own for that, which the emulator cannot replace.
# Seen with ministack 1.5.33 and boto3 1.43.106:
#   STANDARD machine: SUCCEEDED; input that is no JSON: SUCCEEDED; input of 300,002 bytes: SUCCEEDED
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
import json
import sys
import time
import urllib.request
from importlib.metadata import version

import boto3
from botocore.config import Config

address = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(120):
    try:
        urllib.request.urlopen(f"{address}/_ministack/health", timeout=5).close()
        break
    except OSError:
        time.sleep(0.25)
machines = boto3.client(
    "stepfunctions",
    endpoint_url=address,
    region_name="eu-west-1",
    aws_access_key_id="example",
    aws_secret_access_key="example",
    config=Config(inject_host_prefix=False),  # botocore would put sync- before the host
)
definition = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}})


def machine(kind):
    role = "arn:aws:iam::000000000000:role/example"
    made = machines.create_state_machine(name=kind.lower(), definition=definition, roleArn=role, type=kind)
    assert machines.describe_state_machine(stateMachineArn=made["stateMachineArn"])["type"] == kind
    return made["stateMachineArn"]


def status(arn, text):
    return machines.start_sync_execution(stateMachineArn=arn, input=text)["status"]


standard, express = machine("STANDARD"), machine("EXPRESS")
of_standard, no_json, long = status(standard, "{}"), status(express, "no json"), status(express, "{}" + " " * 300_000)
print(f"ministack {version('ministack')}, boto3 {version('boto3')}")
print(f"STANDARD machine: {of_standard}; input that is no JSON: {no_json}; input of 300,002 bytes: {long}")
assert (of_standard, no_json, long) == ("SUCCEEDED",) * 3, (of_standard, no_json, long)
assert status(express, "{}") == "SUCCEEDED"
described = machines.describe_execution(
    executionArn=machines.start_execution(stateMachineArn=express, name="seen")["executionArn"]
)
assert described["name"] == "seen", described
EOF
