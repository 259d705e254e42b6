"""CatalogSource for local paths or s3:// URIs: one file, a folder, or a pattern."""

import glob
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from manga_enrichment.aws.clients import BrokenAnswerError, raise_explained, store_unavailable
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.catalog_source import CATALOG_KINDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_WILDCARD = re.compile(r"[*?\[]")
_NO_OBJECT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "403", "400", "301"})


class LocalCatalog:
    """A file on this machine, a folder of files, or all that a pattern such as `exports/*.jsonl.gz` finds."""

    def __init__(self, uri: str) -> None:
        """uri: a path, or file:///path with its special characters percent-encoded."""
        self.uri = uri
        self._path = Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else Path(uri)

    def version(self) -> str:
        """Of what is in the files, not of when they were written: two machines have copies of one catalog."""
        paths = self._readable()
        versions = [_content_digest(path) for path in paths]
        return versions[0] if paths == [self._path] else _digest(zip(map(str, paths), versions, strict=True))

    @contextmanager
    def local_copy(self) -> Iterator[list[Path]]:
        yield self._readable()

    def _readable(self) -> list[Path]:
        paths = self._paths()
        for path in paths:
            self._check(path)
        return paths

    def _paths(self) -> list[Path]:
        if self._path.is_file():
            return [self._path]
        if self._path.is_dir():
            found = (path for path in self._path.rglob("*") if _is_catalog(str(path.relative_to(self._path))))
        elif _WILDCARD.search(str(self._path)):
            found = (Path(path) for path in glob.iglob(str(self._path), recursive=True))  # noqa: PTH207 - "**" in any place
        else:
            return [self._path]
        paths = sorted(path for path in found if path.is_file())
        if not paths:
            raise _unreadable(self.uri, f"nothing in it is one of {', '.join(CATALOG_KINDS)}")
        return paths

    def _check(self, path: Path) -> None:
        try:
            path.stat()
        except OSError as error:
            raise _unreadable(self.uri, error.strerror or str(error)) from error
        if not path.is_file():
            raise _unreadable(self.uri, "it is not a file")
        if not os.access(path, os.R_OK):
            raise _unreadable(self.uri, "permission denied")


class S3Catalog:
    """An object on S3, all below a prefix that ends in "/", or all that a pattern finds; downloaded for an import."""

    def __init__(self, client: "S3Client", uri: str) -> None:
        self._bucket, _, self._key = uri.removeprefix("s3://").partition("/")
        if not self._bucket or not self._key.strip("/"):
            raise ConfigurationError(f"MANGA_CATALOG_URI={uri!r} is not s3://bucket/key")
        self.uri = uri
        self._client = client
        self._is_many = self._key.endswith("/") or "*" in self._key

    def version(self) -> str:
        with self._errors_explained():
            if not self._is_many:
                return self._client.head_object(Bucket=self._bucket, Key=self._key)["ETag"]
            return _digest(sorted(self._objects().items()))

    @contextmanager
    def local_copy(self) -> Iterator[list[Path]]:
        with tempfile.TemporaryDirectory(prefix="manga-catalog-") as folder:
            paths = []
            with self._errors_explained():
                keys = sorted(self._objects()) if self._is_many else [self._key]
                for number, key in enumerate(keys):
                    path = Path(folder) / str(number) / PurePosixPath(key).name
                    path.parent.mkdir()
                    self._client.download_file(self._bucket, key, str(path))
                    paths.append(path)
            yield paths

    def _objects(self) -> dict[str, str]:
        """Key -> ETag of all objects that are catalogs."""
        prefix = self._key.partition("*")[0]
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        objects = {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}
        if "*" in self._key:
            found = {key: etag for key, etag in objects.items() if fnmatchcase(key, self._key)}
        else:
            found = {key: etag for key, etag in objects.items() if _is_catalog(key.removeprefix(prefix))}
        if not found:
            raise _unreadable(self.uri, f"nothing below it is one of {', '.join(CATALOG_KINDS)}")
        return found

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


def _is_catalog(name: str) -> bool:
    """Hidden files and those of the tool that wrote the folder ("_SUCCESS") are none."""
    path = PurePosixPath(name)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in {".gz", ".zst"}]
    return bool(suffixes) and suffixes[-1] in CATALOG_KINDS and not any(part[:1] in {".", "_"} for part in path.parts)


def _digest(versions: Iterable[tuple[str, str]]) -> str:
    return hashlib.sha256("\n".join(f"{name} {version}" for name, version in versions).encode()).hexdigest()[:32]


def _content_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _unreadable(uri: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"The catalog {uri} cannot be read ({why}): correct MANGA_CATALOG_URI")
