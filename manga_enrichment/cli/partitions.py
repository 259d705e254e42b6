"""`manga-enrichment status --partitions`: how the last work on each partition of each analysis ended.

Belongs here: reading the status table's rows of partitions and showing them. Stays out: requests of partners
(`cli/partner/requests.py`), writing the rows (`pipeline/enrichment/write.py`).
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import configured_analyses, open_configured_gateways
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from manga_enrichment.gateways.status import PartitionStatus

_PIPED_WIDTH = 200


def show_partitions(analysis: str, *, as_json: bool) -> None:
    """Of one analysis, or of all for "". Raises ConfigurationError for an unknown one."""
    from manga_enrichment.domain.catalog.records import bucket_keys
    from manga_enrichment.settings import load_settings

    analyses = configured_analyses()
    names = [analyses.get(analysis).name] if analysis else list(analyses.of_titles)
    buckets = bucket_keys(load_settings().catalog_buckets)
    store = open_configured_gateways().status
    found = [status for name in names for status in store.partitions(name, buckets)]
    if as_json:
        click.echo(json.dumps([partition_document(status) for status in found]))
    else:
        _print(found, len(names) * len(buckets))


def partition_document(status: "PartitionStatus") -> dict[str, Any]:
    return {
        "analysis": status.analysis,
        "bucket": status.bucket,
        "status": status.status,
        "run_id": status.run_id,
        "trigger": status.trigger,
        "updated_at": status.updated_at.isoformat(),
        "counts": dict(status.counts),
        "cost_usd": status.cost_micro_usd / 1_000_000,
        "error_class": status.error_class or None,
    }


def _print(found: "Sequence[PartitionStatus]", partitions: int) -> None:
    from rich.console import Console
    from rich.table import Table

    headings = ("analysis", "bucket", "status", "run", "trigger", "updated (UTC)", "titles", "USD", "error class")
    others = "; no run has written the others yet" if len(found) < partitions else ""
    table = Table(caption=f"{len(found)} of {partitions} partitions{others}")
    for heading in headings:
        table.add_column(heading, justify="right" if heading == "USD" else "left", overflow="fold")
    for each in found:
        cells = (
            each.analysis,
            each.bucket,
            each.status,
            each.run_id,
            each.trigger,
            f"{each.updated_at:%Y-%m-%d %H:%M:%S}",
            ", ".join(f"{count} {name}" for name, count in sorted(each.counts.items())),
            f"{each.cost_micro_usd / 1_000_000:.6f}",
            each.error_class,
        )
        table.add_row(*map(escaped, cells))
    console = Console(markup=False, emoji=False)
    console.width = console.width if console.is_terminal else _PIPED_WIDTH
    console.print(table)
