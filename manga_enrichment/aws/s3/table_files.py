"""The published tables' objects as files, from the bucket or from a folder on this disk.

Belongs here: listing with versions, fetching. Stays out: what becomes of a fetched file (`browse/local_copy.py`).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.clients import raise_explained, store_unavailable
from manga_enrichment.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"NoSuchKey", "404"}
_SUFFIX = ".parquet"


class S3TableFiles:
    def __init__(self, client: "S3Client", *, bucket: str, prefix: str) -> None:
        """prefix: of all tables, without a slash at its end."""
        self._client, self._bucket, self._prefix = client, bucket, f"{prefix}/"

    def versions(self) -> Mapping[str, str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        try:
            return {
                each["Key"].removeprefix(self._prefix): each["ETag"]
                for page in pages
                for each in page.get("Contents", [])
                if each["Key"].endswith(_SUFFIX)
            }
        except (ClientError, BotoCoreError) as error:
            self._fail(error)

    def fetch(self, path: str, target: Path) -> str | None:
        try:
            response = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{path}")
            with target.open("wb") as file:
                shutil.copyfileobj(response["Body"], file)
            return response["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            self._fail(error)
        except BotoCoreError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        raise_explained(error, f"The S3 bucket {self._bucket}", "MANGA_BUCKET", store_unavailable(error))


class FolderTableFiles:
    def __init__(self, folder: Path) -> None:
        """Raises ConfigurationError when there is no such folder."""
        if not folder.is_dir():
            raise ConfigurationError(f"{folder} is no folder: name the one that holds the folders of the tables")
        self._folder = folder

    def versions(self) -> Mapping[str, str]:
        found = {}
        for path in sorted(self._folder.rglob(f"*{_SUFFIX}")):
            tag = _tag(path)
            if tag is not None:
                found[path.relative_to(self._folder).as_posix()] = tag
        return found

    def fetch(self, path: str, target: Path) -> str | None:
        source = self._folder / path
        tag = _tag(source)
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            return None
        return tag if tag == _tag(source) else self.fetch(path, target)


def _tag(path: Path) -> str | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"
