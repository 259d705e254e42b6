"""ObjectStore on S3: each object put once, whole, with a condition on what it replaces.

boto3 rather than pyarrow's S3FileSystem: that one ignores AWS_ENDPOINT_URL, and a streamed Parquet writer publishes
half a table when it is interrupted.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NoReturn

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError, ResponseStreamingError

from manga_enrichment.aws.clients import BrokenAnswerError, raise_explained, store_unavailable
from manga_enrichment.domain.operations.retention import KEPT_AS
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import Rows, StoredDocument, StoredFile, StoredTable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROW_GROUP_ROWS = 131_072
PARQUET: dict[str, Any] = {"compression": "zstd", "dictionary_pagesize_limit": 4 * 1024**2}
"""How tables are stored. Of a column's texts that repeat, up to 4 MB are kept once: candidates' hints need 2.5 MB."""

IN_MEMORY_BYTES = 32 * 1024**2
_BODY_TRIES = 3
_MISSING = {"NoSuchKey", "404"}
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


def table_of(source: Any, columns: Sequence[str] | None) -> pa.Table:
    """Those of the columns that the file has, in this order. By one thread: with several, each touches memory of its
    own, which takes more CPU than a table of some megabytes."""
    with pq.ParquetFile(source) as file:
        if columns is None:
            return file.read(use_threads=False)
        there = [each for each in columns if each in file.schema_arrow.names]
        return file.read(there, use_threads=False).select(there)


class S3ObjectStore:
    def __init__(self, client: "S3Client", *, bucket: str, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        """Keys are whole keys of objects in `bucket`. in_memory_bytes: what is larger lies in a temporary file while it
        is read part by part, or written."""
        self._client = client
        self._bucket = bucket
        self._in_memory_bytes = in_memory_bytes

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        found = self._get(key)
        if found is None:
            return None
        return StoredTable(table_of(pa.BufferReader(found[0]), columns), found[1])

    def open(self, key: str) -> StoredFile | None:
        found = self._get(key, self._kept)  # read ahead, what was read would stay in memory: all of it, in the end
        return None if found is None else StoredFile(pq.ParquetFile(found[0], pre_buffer=False), found[1])

    def write(self, key: str, table: Rows, *, expected_etag: str | None = None, new: bool = False) -> str:
        with TemporaryFile() as sink:
            with pq.ParquetWriter(sink, table.schema, **PARQUET) as writer:
                for rows in [table] if isinstance(table, pa.Table) else table:
                    writer.write(rows, ROW_GROUP_ROWS)
                    del rows  # or they stay while the next are made
            is_large = sink.tell() > self._in_memory_bytes
            sink.seek(0)
            body = sink if is_large else sink.read()
            return self._put(key, body, "application/vnd.apache.parquet", expected_etag=expected_etag, new=new)

    def read_json(self, key: str) -> dict[str, Any] | None:
        found = self.read_document(key)
        return None if found is None else found.document

    def read_document(self, key: str) -> StoredDocument | None:
        found = self._get(key)
        return None if found is None else StoredDocument(dict(orjson.loads(found[0])), found[1])

    def write_json(
        self,
        key: str,
        document: Mapping[str, Any],
        *,
        expected_etag: str | None = None,
        new: bool = False,
        kept_as: str = "",
    ) -> None:
        body = orjson.dumps(dict(document), option=orjson.OPT_SORT_KEYS)
        self._put(key, body, "application/json", expected_etag=expected_etag, new=new, kept_as=kept_as)

    def read_text(self, key: str) -> str | None:
        found = self._get(key)
        return None if found is None else found[0].decode()

    def write_text(self, key: str, text: str, *, content_type: str) -> None:
        self._put(key, text.encode(), f"{content_type}; charset=utf-8")

    def list_keys(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            return [item["Key"] for page in pages for item in page.get("Contents", [])]
        except (ClientError, BotoCoreError) as error:
            self._fail(error)

    def delete(self, key: str) -> None:
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            self._fail(error)

    def uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    def _kept(self, body: Any) -> pa.NativeFile:
        """An object's body, for whoever does not hold it whole."""
        first = body.read(self._in_memory_bytes + 1)
        if len(first) <= self._in_memory_bytes:
            return pa.BufferReader(first)
        with TemporaryDirectory() as folder:  # its name goes at once, the file with what reads it
            path = Path(folder) / "object"
            with path.open("wb") as file:
                file.write(first)
                shutil.copyfileobj(body, file)
            return pa.OSFile(str(path), "rb")

    def _get(self, key: str, take: Callable[[Any], Any] = lambda body: body.read()) -> tuple[Any, str] | None:
        """(what `take` makes of the body, etag)"""
        for tries_left in range(_BODY_TRIES - 1, -1, -1):
            try:
                response = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] in _MISSING:
                    return None
                self._fail(error)
            except BotoCoreError as error:
                self._fail(error)
            except BrokenAnswerError as error:
                if not tries_left:
                    self._fail(error)
                continue
            try:
                return take(response["Body"]), response["ETag"]
            except BotoCoreError as error:
                # The SDK tries again until an answer has begun, and no further.
                if not (tries_left and isinstance(error, (ReadTimeoutError, ResponseStreamingError))):
                    self._fail(error)
        raise AssertionError("the last try returns or raises")

    def _put(
        self,
        key: str,
        body: bytes | IO[bytes],
        content_type: str,
        *,
        expected_etag: str | None = None,
        new: bool = False,
        kept_as: str = "",
    ) -> str:
        condition: dict[str, Any] = {"Tagging": f"{KEPT_AS}={kept_as}"} if kept_as else {}
        if expected_etag is not None:
            condition["IfMatch"] = expected_etag
        elif new:
            condition["IfNoneMatch"] = "*"
        try:
            return self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, **condition
            )["ETag"]
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _CONFLICT or (expected_etag is not None and code in _MISSING):
                raise WriteConflictError(f"{self.uri(key)} was replaced by another writer") from error
            self._fail(error)
        except BotoCoreError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        raise_explained(error, f"The S3 bucket {self._bucket}", "MANGA_BUCKET", store_unavailable(error))
