"""Published tables as Arrow datasets: read where they lie, no more of them than a query needs.

Belongs here: file systems and folders. Stays out: queries (`manga_enrichment/analysts`), which tables there are
(`pipeline/publish/tables.py`).

pyarrow's own S3 client ignores profiles, roles and AWS_ENDPOINT_URL, so it is told what boto3 has found out.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.dataset as ds
from botocore.utils import get_environ_proxies
from pyarrow import fs

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.errors import ConfigurationError

_OF_A_REGION = re.compile(r"s3([.-][a-z0-9-]+)?\.amazonaws\.com(\.cn)?")


class TableDatasets:
    """The tables below one folder of one file system."""

    def __init__(self, filesystem: fs.FileSystem, folder: str) -> None:
        self._filesystem = filesystem
        self._folder = folder.rstrip("/")

    @classmethod
    def on_s3(cls, clients: AwsClients, bucket: str, prefix: str) -> "TableDatasets":
        """Raises ConfigurationError when there are no credentials or no region."""
        found = clients.frozen_credentials()
        endpoint = urlsplit(clients.s3.meta.endpoint_url)
        filesystem = fs.S3FileSystem(
            access_key=found.access_key,
            secret_key=found.secret_key,
            session_token=found.token,
            region=clients.s3.meta.region_name,
            endpoint_override=endpoint_for_arrow(endpoint.netloc),
            scheme=endpoint.scheme,
            proxy_options=get_environ_proxies(clients.s3.meta.endpoint_url).get(endpoint.scheme),
            tls_ca_file_path=clients.authorities(),
        )
        return cls(filesystem, f"{bucket}/{prefix}")

    @classmethod
    def in_folder(cls, folder: Path) -> "TableDatasets":
        """Raises ConfigurationError when there is no such folder."""
        if not folder.is_dir():
            raise ConfigurationError(f"{folder} is no folder: name the one that holds the folders of the tables")
        return cls(fs.LocalFileSystem(), str(folder.resolve()))

    def open(self, name: str, columns: pa.Schema, partition_keys: Sequence[str]) -> ds.Dataset:
        """columns: of the files; partition_keys become columns of type string. An absent table is an empty one.

        Raises ConfigurationError when the bucket cannot be listed.
        """
        keys = pa.schema([pa.field(key, pa.string()) for key in partition_keys])
        schema = pa.schema([*columns, *keys])
        paths = self._files(f"{self._folder}/{name}")
        if not paths:
            return ds.InMemoryDataset(schema.empty_table())
        partitioning = ds.partitioning(keys, flavor="hive")
        return ds.dataset(
            paths, filesystem=self._filesystem, format="parquet", schema=schema, partitioning=partitioning
        )

    def _files(self, folder: str) -> list[str]:
        selector = fs.FileSelector(folder, recursive=True, allow_not_found=True)
        try:
            if self._filesystem.get_file_info(self._folder.split("/")[0] or "/").type is fs.FileType.NotFound:
                raise ConfigurationError(f"There is no bucket for {self._folder}: MANGA_BUCKET names it")
            found = self._filesystem.get_file_info(selector)
        except OSError as error:
            raise ConfigurationError(f"The tables in {self._folder} cannot be listed: {error}") from error
        return sorted(each.path for each in found if each.is_file and each.path.endswith(".parquet"))


def endpoint_for_arrow(netloc: str) -> str | None:
    """None for AWS's own of a region, which pyarrow finds by itself and addresses by bucket; told one, it addresses by
    path, as emulators and interface endpoints (`*.vpce.amazonaws.com`) need."""
    return None if _OF_A_REGION.fullmatch(netloc) else netloc
