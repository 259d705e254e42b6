#!/usr/bin/env bash
# One would guess: with endpoint_url set, boto3 sends every call of a client to that host.
# True: operations whose service model has an endpoint trait get its prefix before whatever host was given, be it an
#   address: StartSyncExecution of Step Functions goes to "sync-127.0.0.1", which is no host. StartExecution of the same
#   client goes where it was told to, so a first try with another operation shows nothing.
# Why it matters here: a synchronous front over Step Functions works against AWS and fails to resolve against the local
#   stack. The client needs Config(inject_host_prefix=False).
# Seen with boto3 1.43.106 and botocore 1.43.106:
#   by default: start_execution -> 127.0.0.1:4566, start_sync_execution -> sync-127.0.0.1:4566
#   inject_host_prefix=False: start_execution -> 127.0.0.1:4566, start_sync_execution -> 127.0.0.1:4566
set -euo pipefail
unset PYTHONPATH AWS_PROFILE AWS_DEFAULT_PROFILE
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check boto3==1.43.106 botocore==1.43.106

"$folder/venv/bin/python" - <<'EOF'
from urllib.parse import urlsplit

import boto3
import botocore
from botocore.awsrequest import AWSResponse
from botocore.config import Config

MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:front"


class Body:
    """An answer that is empty JSON, so that nothing leaves this process."""

    def stream(self, **_):
        yield b"{}"


def hosts(config):
    """Where the client would send a call of each operation."""
    seen = {}
    client = boto3.client(
        "stepfunctions",
        endpoint_url="http://127.0.0.1:4566",
        region_name="eu-west-1",
        aws_access_key_id="example",
        aws_secret_access_key="example",
        config=config,
    )

    def answer(request, event_name, **_):
        seen[event_name.rsplit(".", 1)[1]] = urlsplit(request.url).netloc
        return AWSResponse(request.url, 200, {}, Body())

    client.meta.events.register("before-send", answer)
    client.start_execution(stateMachineArn=MACHINE, input="{}")
    client.start_sync_execution(stateMachineArn=MACHINE, input="{}")
    return seen


print(f"boto3 {boto3.__version__}, botocore {botocore.__version__}")
default, without = hosts(Config()), hosts(Config(inject_host_prefix=False))
print("by default:", default)
print("inject_host_prefix=False:", without)
assert default == {"StartExecution": "127.0.0.1:4566", "StartSyncExecution": "sync-127.0.0.1:4566"}, default
assert without == {"StartExecution": "127.0.0.1:4566", "StartSyncExecution": "127.0.0.1:4566"}, without
EOF
