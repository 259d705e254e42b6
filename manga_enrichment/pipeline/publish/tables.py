"""The tables that analysts read: one list for their documentation, for DuckDB and for Athena.

Belongs here: names, columns, and what is in the path instead of the file. Stays out: writing tables; each is written by
the module that owns it, with a schema made from the same columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS, REJECT_COLUMNS, WARNING_COLUMNS
from manga_enrichment.domain.operations.costs import COST_COLUMNS
from manga_enrichment.domain.operations.partner_latency import PARTNER_LATENCY_COLUMNS
from manga_enrichment.domain.operations.queue_observations import QUEUE_OBSERVATION_COLUMNS
from manga_enrichment.domain.prompts.candidates import CANDIDATE_COLUMNS
from manga_enrichment.domain.requests.result_rows import PARTNER_RESULT_COLUMNS
from manga_enrichment.domain.tables.changes import (
    CATALOG_CHANGES,
    CHANGE_COLUMNS,
    ENRICHED_CHANGES,
    TOMBSTONE_COLUMNS,
    TOMBSTONES,
)
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.domain.tables.shared_columns import OUTCOME_COLUMNS, REQUEST_COLUMNS
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.pipeline.enrichment.wide_table import enriched_columns
from manga_enrichment.pipeline.health.daily_costs import TABLE as COSTS_TABLE
from manga_enrichment.pipeline.health.partner_latency import TABLE as LATENCY_TABLE


class PartitionKey(StrEnum):
    """What a folder of a table stands for: `<key>=<value>/`; a column of type string for whoever reads the folder."""

    BUCKET = "bucket"
    ANALYSIS = "analysis"
    RUN_DATE = "run_date"
    DATE = "date"

    @property
    def is_day(self) -> bool:
        """A UTC day as YYYY-MM-DD."""
        return self in (PartitionKey.RUN_DATE, PartitionKey.DATE)


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One folder below `enrichment/`. partition_keys: outermost first. file_name: of the objects in it, for people.

    once: SQL for DuckDB and Athena that gives each row once, from {objects}, where a row may lie in several objects.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    partition_keys: tuple[PartitionKey, ...] = ()
    file_name: str = "part.parquet"
    once: str = ""

    @property
    def objects_name(self) -> str:
        """What the objects are called in SQL; `name` is then a view over them."""
        return f"{self.name}_objects" if self.once else self.name

    @property
    def view_sql(self) -> str:
        in_path = [key.value for key in self.partition_keys]
        names = [*(each.name for each in self.columns if each.name not in in_path), *in_path]
        columns = ", ".join(f'"{name}"' for name in names)
        return self.once.format(objects=self.objects_name, columns=columns)


_BY_VERSION = "<time>-<b>-<version>.parquet"
_HOURLY = "h<hour>-<run>.parquet, h<hour>.parquet"
_ATTEMPTS_ONCE = """\
SELECT {columns} FROM {objects} WHERE "trigger" <> 'partner'
UNION ALL SELECT DISTINCT {columns} FROM {objects} WHERE "trigger" = 'partner'"""
_HIGHEST_GENERATION = """\
SELECT {columns} FROM (
SELECT *, max(generation) OVER (PARTITION BY "date", request_id) AS newest,
row_number() OVER (PARTITION BY "date", request_id, generation, "position" ORDER BY completed_at) AS copy
FROM {objects}) WHERE generation = newest AND copy = 1"""

_AS_SAID = "As the model said it: what editors corrected stands in `enriched_catalog`."
_BUCKETED = (PartitionKey.BUCKET,)
_DAILY = (PartitionKey.DATE,)


_SHARED = (
    PublishedTable("catalog", "The titles as imported and cleaned.", CATALOG_COLUMNS, _BUCKETED),
    PublishedTable("catalog_rejects", "Rows of the source that are no titles.", REJECT_COLUMNS),
    PublishedTable(
        "catalog_warnings",
        "Values of the source that were dropped, changed or merged when the catalog was read last.",
        WARNING_COLUMNS,
    ),
    PublishedTable(
        CATALOG_CHANGES,
        "What imports changed in `catalog`: a row for each value that changed, each title that came or left.",
        CHANGE_COLUMNS,
        _DAILY,
        _BY_VERSION,
    ),
    PublishedTable(
        TOMBSTONES,
        "Titles that left the catalog: when, why, and what was known of them. A title that returns is taken out.",
        TOMBSTONE_COLUMNS,
        _BUCKETED,
    ),
    PublishedTable("similar_candidates", "Titles a model may name as similar.", CANDIDATE_COLUMNS, _BUCKETED),
    PublishedTable(
        "outcomes",
        "Every title accounted for, per analysis: answered, too little text, left for the next run, failed.",
        OUTCOME_COLUMNS,
        (PartitionKey.ANALYSIS, PartitionKey.BUCKET),
    ),
    PublishedTable(
        "requests",
        "Append-only log of every request to a model, and of titles decided without one. Costs add up here.",
        REQUEST_COLUMNS,
        (PartitionKey.RUN_DATE,),
        f"<run>-<analysis>-<b>.parquet; of partners {_HOURLY}",
        _ATTEMPTS_ONCE,
    ),
    PublishedTable(
        "partner_results",
        "What partners got, item by item: under the UTC day on which the request was submitted, by its hour.",
        PARTNER_RESULT_COLUMNS,
        _DAILY,
        _HOURLY,
        _HIGHEST_GENERATION,
    ),
    PublishedTable(
        COSTS_TABLE,
        "The requests log of a UTC day added up: one row per run, analysis, model, trigger, partner and lane.",
        COST_COLUMNS,
        _DAILY,
    ),
    PublishedTable(
        LATENCY_TABLE,
        "How long partners waited for answers, by queue, in the 15 minutes before each look: one object per UTC day.",
        PARTNER_LATENCY_COLUMNS,
        _DAILY,
    ),
    PublishedTable(
        "queue_observations",
        "How full the queues were, one row per queue every 5 minutes: one object per UTC day.",
        QUEUE_OBSERVATION_COLUMNS,
        _DAILY,
    ),
)
"""Tables that do not depend on which analyses there are."""


def published_tables(analyses: Sequence[AnalysisType]) -> list[PublishedTable]:
    """All of them, the one that most analysts want first."""
    singles = [analysis for analysis in analyses if not analysis.parts]
    wide = "One wide row per title, with what editors corrected (`corrected`); what most analysts want."
    return [
        PublishedTable(ENRICHED_TABLE, wide, enriched_columns(singles), _BUCKETED),
        PublishedTable(
            ENRICHED_CHANGES,
            "What changed in `enriched_catalog`: a row for each value that changed, each title that came or left. "
            "[analysts.md](analysts.md) says how to follow it.",
            CHANGE_COLUMNS,
            _DAILY,
            _BY_VERSION,
        ),
        *(PublishedTable(a.name, f"{a.about} {_AS_SAID}", a.table_columns, _BUCKETED) for a in singles),
        *_SHARED,
    ]
