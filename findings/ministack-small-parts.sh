#!/usr/bin/env bash
# One would guess: an emulator of S3 that refuses items, messages and names beyond AWS's limits also knows the lower limit
#   of a multipart upload: every part but the last has 5 MiB at least, else CompleteMultipartUpload is EntityTooSmall.
# True: ministack completes an upload of three parts of 100 bytes, and the object has all of them.
# Why it matters here: a table larger than memory invites a writer that sends a part for each row group. It would pass
#   every test on the emulator and fail on S3 with its last call, after all the work. We put objects whole and leave the
#   input of batch jobs to boto3's transfer, whose parts are large enough; whoever changes that needs a test of sizes.
# Seen with ministack 1.5.33 and boto3 1.43.106:
#   three parts of 100 bytes: completed, 300 bytes; an item of 410,000 bytes in DynamoDB: ValidationException
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
place = {"endpoint_url": address, "region_name": "eu-west-1"}
keys = {"aws_access_key_id": "example", "aws_secret_access_key": "example"}
s3, dynamodb = (boto3.client(name, **place, **keys) for name in ("s3", "dynamodb"))
s3.create_bucket(Bucket="tables", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
at = {"Bucket": "tables", "Key": "titles.parquet"}
upload = {**at, "UploadId": s3.create_multipart_upload(**at)["UploadId"]}
parts = [
    {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=b"x" * 100)["ETag"]}
    for number in (1, 2, 3)
]
s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
size = s3.head_object(**at)["ContentLength"]

key = {"AttributeName": "id", "KeyType": "HASH"}
typed = {"AttributeName": "id", "AttributeType": "S"}
dynamodb.create_table(
    TableName="items", KeySchema=[key], AttributeDefinitions=[typed], BillingMode="PAY_PER_REQUEST"
)
refusal = ""
try:
    dynamodb.put_item(TableName="items", Item={"id": {"S": "one"}, "text": {"S": "x" * 410_000}})
except ClientError as error:
    refusal = error.response["Error"]["Code"]
print(f"ministack {version('ministack')}, boto3 {version('boto3')}")
print(f"three parts of 100 bytes: completed, {size} bytes; an item of 410,000 bytes in DynamoDB: {refusal}")
assert (size, refusal) == (300, "ValidationException"), (size, refusal)
EOF
