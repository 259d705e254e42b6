"""CatalogSource for a local path or an s3:// URI."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from manga_enrichment.aws.clients import BrokenAnswerError, raise_explained, store_unavailable
from manga_enrichment.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_NO_OBJECT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "403", "400", "301"})


class LocalCatalog:
    """A file on this machine."""

    def __init__(self, uri: str) -> None:
        """uri: a path, or file:///path with its special characters percent-encoded."""
        self.uri = uri
        self._path = Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else Path(uri)

    def version(self) -> str:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise _unreadable(self.uri, error.strerror or str(error)) from error
        if not self._path.is_file():
            raise _unreadable(self.uri, "it is not a file")
        if not os.access(self._path, os.R_OK):
            raise _unreadable(self.uri, "permission denied")
        return f"{stat.st_size}-{stat.st_mtime_ns}"

    @contextmanager
    def local_copy(self) -> Iterator[Path]:
        self.version()
        yield self._path


class S3Catalog:
    """An object on S3, downloaded once per import (Parquet needs random access)."""

    def __init__(self, client: "S3Client", uri: str) -> None:
        self._bucket, _, self._key = uri.removeprefix("s3://").partition("/")
        if not self._bucket or not self._key.strip("/"):
            raise ConfigurationError(f"MANGA_CATALOG_URI={uri!r} is not s3://bucket/key")
        self.uri = uri
        self._client = client

    def version(self) -> str:
        with self._errors_explained():
            return self._client.head_object(Bucket=self._bucket, Key=self._key)["ETag"]

    @contextmanager
    def local_copy(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="manga-catalog-") as folder:
            path = Path(folder) / PurePosixPath(self._key).name  # the name tells the format
            with self._errors_explained():
                self._client.download_file(self._bucket, self._key, str(path))
            yield path

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, Boto3Error, BrokenAnswerError) as error:
            if _is_about_the_uri(error):
                raise _unreadable(self.uri, str(error)) from error
            raise_explained(error, f"The catalog {self.uri}", "MANGA_CATALOG_URI", store_unavailable(error))


def catalog_source(client: "S3Client", uri: str) -> LocalCatalog | S3Catalog:
    return S3Catalog(client, uri) if uri.startswith("s3://") else LocalCatalog(uri)


def _is_about_the_uri(error: Exception) -> bool:
    """No such object, or a name that is none: `head_object` tells by status alone."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return code in _NO_OBJECT or isinstance(error, ParamValidationError)


def _unreadable(uri: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"The catalog {uri} cannot be read ({why}): correct MANGA_CATALOG_URI")
