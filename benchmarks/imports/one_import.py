"""One import in a process of its own, by whichever modules the checkout in PYTHONPATH has.

Belongs here: what runs in an earlier commit's tree as well, so nothing of `benchmarks`. Stays out: files, comparing.

Run: PYTHONPATH=CHECKOUT python benchmarks/imports/one_import.py FILE [MAPPING]. Prints JSON: rows, titles, CPU seconds
of reading, of cleaning (both of at most 20,000 rows), of the whole import, and the peak of memory before and after it.
"""

import gc
import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

HOMES = {
    "read_rows": ("pipeline.catalog.source_files", "pipeline.catalog_files"),
    "load_mapping": ("pipeline.catalog.source_files", "pipeline.catalog_files"),
    "import_catalog": ("pipeline.catalog.importer", "pipeline.catalog_import"),
    "ImportPlan": ("pipeline.catalog.importer", "pipeline.catalog_import"),
    "clean_row": ("domain.catalog.rows", "domain.catalog_rows"),
    "content_hash": ("domain.prompts.fingerprint", "domain.fingerprint"),
    "Reading": ("pipeline.catalog.files.rows",),
    "rare_collections": ("runtime.garbage",),
    "packaged_analyses": ("domain.analyses",),
}
"""Where the versions since 0f0178a keep what is used here."""
PARSED_ROWS = 20_000
BUCKETS = 64


class Nowhere:
    """A sink that keeps nothing, so that storing is not measured."""

    def begin(self, rejected: Any) -> None:
        """Nobody waits for it."""

    def put_bucket(self, bucket: str, table: Any) -> str:
        """Kept by nobody."""
        return ""

    def put_rejects(self, table: Any) -> None:
        """Likewise."""

    def put_warnings(self, table: Any) -> None:
        """Likewise."""


def found(name: str) -> Any:
    for home in HOMES[name]:
        try:
            return getattr(import_module(f"manga_enrichment.{home}"), name)
        except (ModuleNotFoundError, AttributeError):
            continue
    return None


def hashing() -> Any:
    """What hashes a record; since analyses are documents, it is made for a set of them."""
    packaged = found("packaged_analyses")
    return found("content_hash")(packaged().of_titles.values()) if packaged else found("content_hash")


def main(path: Path, mapping_file: str = "") -> None:
    mapping, reading = found("load_mapping")(mapping_file), found("Reading")
    how = mapping if reading is None else reading(mapping=mapping)
    read, clean_row = found("read_rows"), found("clean_row")
    plan = found("ImportPlan")(BUCKETS, hashing(), mapping)

    def whole() -> Any:
        return found("import_catalog")(read(path, how), Nowhere(), plan)

    found("import_catalog")(islice(read(path, how), 50), Nowhere(), plan)  # loads what is loaded late
    before = peak_bytes()
    with (found("rare_collections") or nullcontext)():  # as the run that imports does, since it does
        import_s, report = cpu(whole)
    after = peak_bytes()
    read_s, rows = cpu(lambda: list(islice(read(path, how), PARSED_ROWS)))
    clean_s, _ = cpu(lambda: [clean_row(row.values, row.number, mapping) and None for row in rows])
    figures = {"read_s": read_s, "clean_s": clean_s, "parsed_rows": len(rows), "import_s": import_s}
    memory = {"peak_bytes": after, "peak_before_bytes": before}
    print(json.dumps({"rows": report.rows_read, "titles": report.titles, **figures, **memory}))


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def peak_bytes() -> int:
    """Of this process so far; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
