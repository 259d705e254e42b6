#!/usr/bin/env bash
# One would guess: deleting a message with the receipt handle of an earlier receive does on the emulator what AWS documents
#   for a standard queue: the call succeeds, and the message is not deleted.
# True: ministack refuses it with ReceiptHandleIsInvalid, and says so of ChangeMessageVisibility, too.
# Why it matters here: a slow worker acknowledges with an old handle after its message was delivered again. Code that
#   learns of that from the error is right in every test and hears nothing on AWS, where the message simply comes
#   once more. We keep the newest handle in the status row, and take no answer for a sign that a message is gone.
# Seen with ministack 1.5.33 and boto3 1.43.106, a message that was received twice:
#   delete with the first handle: ReceiptHandleIsInvalid; hide with it: ReceiptHandleIsInvalid; 1 left; with the second: accepted
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
from botocore.exceptions import ClientError

address = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(120):
    try:
        urllib.request.urlopen(f"{address}/_ministack/health", timeout=5).close()
        break
    except OSError:
        time.sleep(0.25)
sqs = boto3.client(
    "sqs", endpoint_url=address, region_name="eu-west-1", aws_access_key_id="example", aws_secret_access_key="example"
)
queue = sqs.create_queue(QueueName="requests")["QueueUrl"]
sqs.send_message(QueueUrl=queue, MessageBody="a request")


def received(hidden_seconds):
    [message] = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=hidden_seconds)["Messages"]
    return message["ReceiptHandle"]


def said(call, **arguments):
    try:
        call(QueueUrl=queue, **arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "accepted"


def left():
    """Messages of the queue, hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


first, second = received(0), received(60)
assert first != second
deleted = said(sqs.delete_message, ReceiptHandle=first)
hidden = said(sqs.change_message_visibility, ReceiptHandle=first, VisibilityTimeout=30)
before = left()
newest = said(sqs.delete_message, ReceiptHandle=second)
print(f"ministack {version('ministack')}, boto3 {version('boto3')}")
print(f"delete with the first handle: {deleted}; hide with it: {hidden}; {before} left; with the second: {newest}")
assert (deleted, hidden, before) == ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 1), (deleted, hidden, before)
assert (newest, left()) == ("accepted", 0), newest
EOF
