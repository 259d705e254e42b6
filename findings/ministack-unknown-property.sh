#!/usr/bin/env bash
# One would guess: an emulator of CloudFormation that rolls a stack back for a bad value does so, too, for a property that
#   the resource does not have, as AWS does ("Encountered unsupported property").
# True: ministack creates the stack, and the queue without what was asked of it. A misspelt VisibilityTimeout leaves the
#   default of 30 s; a value that is no number does roll back.
# Why it matters here: templates are deployed to the emulator in tests. A green deployment says nothing of misspelt
#   properties, so cfn-lint looks at every template as well, and tests read back the attributes that matter.
# Seen with ministack 1.5.33 and boto3 1.43.106:
#   VisibilityTimeouts: 120 -> CREATE_COMPLETE, 30 s; VisibilityTimeout: nonsense -> ROLLBACK_COMPLETE
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

address = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(120):
    try:
        urllib.request.urlopen(f"{address}/_ministack/health", timeout=5).close()
        break
    except OSError:
        time.sleep(0.25)
place = {"endpoint_url": address, "region_name": "eu-west-1"}
keys = {"aws_access_key_id": "example", "aws_secret_access_key": "example"}
cloudformation, sqs = (boto3.client(name, **place, **keys) for name in ("cloudformation", "sqs"))


def ended(stack, properties):
    """The state in which a stack of one queue comes to rest."""
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": stack, **properties}}
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Queue": queue}}))
    for _ in range(120):
        state = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        if not state.endswith("IN_PROGRESS"):
            return state
        time.sleep(0.25)
    raise SystemExit(f"{stack} is still {state}")


unknown, bad = ended("unknown", {"VisibilityTimeouts": 120}), ended("bad", {"VisibilityTimeout": "nonsense"})
asked = {"QueueUrl": sqs.get_queue_url(QueueName="unknown")["QueueUrl"], "AttributeNames": ["VisibilityTimeout"]}
seconds = sqs.get_queue_attributes(**asked)["Attributes"]["VisibilityTimeout"]
print(f"ministack {version('ministack')}, boto3 {version('boto3')}")
print(f"VisibilityTimeouts: 120 -> {unknown}, {seconds} s; VisibilityTimeout: nonsense -> {bad}")
assert (unknown, seconds, bad) == ("CREATE_COMPLETE", "30", "ROLLBACK_COMPLETE"), (unknown, seconds, bad)
EOF
