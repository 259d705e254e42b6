"""One import in a process of its own, stored as a run stores it: through the gateway to S3, over a client that keeps
objects as files.

Belongs here: what is measured, and nothing else that needs memory. Stays out: files, tables of figures (`memory.py`).

Run: PYTHONPATH=CHECKOUT python benchmarks/imports/stored_import.py FILE FOLDER [MAPPING [PRESET]]. Prints JSON: rows,
titles, titles by what became of them, CPU seconds, and the peak of memory before and after.
"""

import hashlib
import io
import json
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.plausibility import PlausibleLimits
from manga_enrichment.pipeline.catalog.refresh import refresh_catalog
from manga_enrichment.pipeline.catalog.sink import Following
from manga_enrichment.pipeline.catalog.source_files import load_mapping
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.runtime.garbage import rare_collections

BUCKETS = 8
"""As `MANGA_CATALOG_BUCKETS` without being set."""
_ANYTHING = PlausibleLimits(1, 1)


class FolderClient:
    """As much of an S3 client as an import uses; conditions are not looked at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_object(self, *, Key: str, Body: Any, **_how: Any) -> dict[str, str]:  # noqa: N803 - boto3's names
        path = self._folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        with io.BytesIO(Body) if isinstance(Body, bytes) else Body as body, path.open("wb") as file:
            shutil.copyfileobj(body, file)
        return {"ETag": _etag(path)}

    def get_object(self, *, Key: str, **_how: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        path = self._folder / Key
        if not path.exists():
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": path.open("rb"), "ETag": _etag(path)}

    def delete_object(self, *, Key: str, **_how: Any) -> None:  # noqa: N803 - boto3's names
        (self._folder / Key).unlink(missing_ok=True)

    def get_paginator(self, _name: str) -> "FolderClient":
        return self

    def paginate(self, *, Prefix: str, **_how: Any) -> list[dict[str, Any]]:  # noqa: N803 - boto3's names
        keys = (str(path.relative_to(self._folder)) for path in self._folder.rglob("*") if path.is_file())
        return [{"Contents": [{"Key": key} for key in sorted(keys) if key.startswith(Prefix)]}]


def _etag(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(path: Path, folder: Path, mapping_file: str = "", preset: str = "") -> None:
    changed: Counter[str] = Counter()
    before, started = peak_bytes(), time.process_time()
    with rare_collections():
        state, _ = refresh_catalog(
            tables=S3ObjectStore(FolderClient(folder), bucket="folder"),  # type: ignore[arg-type]
            source=LocalCatalog(str(path)),
            clock=SystemClock(),
            reading=Reading(load_mapping(mapping_file, preset)),
            bucket_count=BUCKETS,
            say=lambda _line: None,
            following=Following("benchmark", (), lambda report, _left: changed.update(report.titles)),
            analyses=packaged_analyses().of_titles.values(),
            plausible=_ANYTHING,
        )
    cpu_s = time.process_time() - started
    memory = {"peak_bytes": peak_bytes(), "peak_before_bytes": before}
    print(json.dumps({"rows": state.rows_read, "titles": state.titles, **changed, "import_s": cpu_s, **memory}))


def peak_bytes() -> int:
    """Of this process so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
