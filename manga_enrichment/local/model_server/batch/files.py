"""Files of batch jobs on the emulator's S3.

Belongs here: the few S3 calls the service makes on a job's behalf. Stays out: what is in the files (`work.py`).
"""

from typing import Any, Protocol
from urllib.parse import urlsplit


class BatchFiles(Protocol):
    """Objects by `s3://bucket/key`. Methods block; call them from a thread."""

    def inputs(self, uri: str) -> dict[str, bytes]:
        """File name -> content of the `.jsonl` objects at `uri`, a file or a folder."""
        ...

    def write(self, uri: str, content: bytes) -> None: ...


class S3BatchFiles:
    """BatchFiles over a boto3 S3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def inputs(self, uri: str) -> dict[str, bytes]:
        bucket, key = _parts(uri)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        wanted = [each for each in keys if each.endswith(".jsonl")]
        return {
            each.rpartition("/")[2]: self._client.get_object(Bucket=bucket, Key=each)["Body"].read() for each in wanted
        }

    def write(self, uri: str, content: bytes) -> None:
        bucket, key = _parts(uri)
        self._client.put_object(Bucket=bucket, Key=key, Body=content)


def _parts(uri: str) -> tuple[str, str]:
    parsed = urlsplit(uri)
    return parsed.netloc, parsed.path.lstrip("/")
