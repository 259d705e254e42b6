"""Requests to DynamoDB and S3 that a night makes for a title and for a bucket: counted as botocore sends them.

    python -m benchmarks.capacity.night --titles 2000

Units are those that AWS bills: a write of up to 1 KB, twice in a transaction; a consistent read of up to 4 KB. Items
are weighed as they are sent; an update, whose item nobody sends, counts as one of up to 1 KB, and what is read as one
of up to 4 KB.
"""

import argparse
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from botocore.httpsession import URLLib3Session

from benchmarks.report import Row, show
from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.local.dagster_home import prepare_dagster_home
from manga_enrichment.local.demo.lane import run_here
from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import load_settings

Units = Counter[str]


def weight(value: Any) -> int:
    """Bytes of an item or a value in DynamoDB's JSON, without the names of its types."""
    if isinstance(value, dict):
        if len(value) == 1 and (kind := next(iter(value))) in ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS"):
            return weight(value[kind]) + 1
        return sum(len(name.encode()) + weight(each) for name, each in value.items())
    if isinstance(value, list):
        return sum(map(weight, value))
    return len(str(value).encode())


def billed(operation: str, body: dict[str, Any]) -> Units:
    """Units of one request, by `write` and `read`, and the request itself."""
    units = Units({operation: 1})
    match operation:
        case "TransactWriteItems":
            for each in body["TransactItems"]:
                item = next(iter(each.values())).get("Item") or {}
                units["write"] += 2 * _kilobytes(item)
                units["item bytes"] += weight(item)
        case "PutItem":
            units["write"] += _kilobytes(body["Item"])
        case "UpdateItem" | "DeleteItem":
            units["write"] += 1
        case "BatchGetItem":
            for table in body["RequestItems"].values():
                units["half reads"] += len(table["Keys"]) * (2 if table.get("ConsistentRead") else 1)
        case "GetItem" | "Query":
            units["half reads"] += 2 if body.get("ConsistentRead") else 1
    return units


def _kilobytes(item: Any) -> int:
    return max(1, math.ceil(weight(item) / 1024))


@contextmanager
def counted() -> Iterator[Units]:
    """All that this process sends through botocore meanwhile."""
    found, send = Units(), URLLib3Session.send

    def counting(self: Any, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        target = target.decode() if isinstance(target, bytes) else str(target)
        if target.startswith("DynamoDB"):
            found.update(billed(target.rpartition(".")[2], json.loads(request.body)))
        elif "/s3/" in str(request.headers.get("Authorization", b"")):
            found[f"s3 {request.method}"] += 1
            if request.method == "PUT":
                found["s3 bytes"] += int(request.headers.get("Content-Length", 0))
        return send(self, request)

    URLLib3Session.send = counting  # type: ignore[method-assign]
    try:
        yield found
    finally:
        URLLib3Session.send = send  # type: ignore[method-assign]


def main() -> None:
    """Print the table and the JSON line: the first night over a catalog, and the next, in which nothing changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity.night")
    parser.add_argument("--titles", type=int, default=2000)
    titles = parser.parse_args().titles
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.jsonl"
        write_catalog(catalog, titles, 1)
        with LocalStack(LocalStackConfig(Path(folder) / "stack", persist=False)) as stack:
            os.environ.update(stack.child_environment(os.environ) | {"MANGA_CATALOG_URI": str(catalog)})
            prepare_dagster_home(Path(folder))
            ModelServerControl(stack.endpoints.model_url).reset()
            show("capacity", [_night("first", titles), _night("next", titles)])


def _night(name: str, titles: int) -> Row:
    settings = load_settings()
    keys = bucket_keys(settings.catalog_buckets)
    with counted() as found, dg.DagsterInstance.get() as instance:
        result = run_here(build_definitions(settings), instance, NIGHTLY_JOB, range_tags(keys[0], keys[-1]))
    assert result.success, name  # noqa: S101
    return {
        "night": name,
        "titles": titles,
        "writes_a_title": round(found["write"] / titles, 2),
        "reads_a_title": round(found["half reads"] / 2 / titles, 2),
        "s3_puts_a_bucket": round(found["s3 PUT"] / len(keys), 1),
        "s3_gets_a_bucket": round((found["s3 GET"] + found["s3 HEAD"]) / len(keys), 1),
        "ledger_bytes_a_title": round(found["item bytes"] / titles),
        "s3_bytes_a_title": round(found["s3 bytes"] / titles),
        "requests": json.dumps(dict(sorted(found.items()))),
    }


if __name__ == "__main__":
    main()
