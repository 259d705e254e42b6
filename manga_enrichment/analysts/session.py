"""SQL over the published tables with DuckDB, in this process.

Belongs here: opening the tables that a query names. Stays out: what a query may do (`guarded.py`), the shipped
questions (`questions.py`), options and printing (`manga_enrichment/cli/sql`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from manga_enrichment.analysts.guarded import Answer, Bounds, GuardedConnection
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.pipeline.publish.tables import PublishedTable, published_tables
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT
from manga_enrichment.settings import known_analyses, load_settings


class SqlSession:
    """Queries over tables that are opened when a query first names them. bounds: of each query; none by default."""

    def __init__(self, datasets: TableDatasets, analyses: Sequence[AnalysisType], bounds: Bounds | None = None) -> None:
        self._datasets = datasets
        published = published_tables(analyses)
        self._tables = {name: table for table in published for name in (table.objects_name, table.name)}
        self._connection = GuardedConnection(self._tables, bounds or Bounds())

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The rows of one SELECT. parameters: values for `$name`. Raises QueryError, ConfigurationError."""
        return self.ask(sql, parameters).table

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Answer:
        """As `query`, and whether there are more rows than the bound. Raises QueryError, ConfigurationError."""
        for name in sorted(self._connection.tables_of(sql)):
            self._open(self._tables[name])
        return self._connection.query(sql, parameters or {})

    def _open(self, table: PublishedTable) -> None:
        keys = [key.value for key in table.partition_keys]
        dataset = self._datasets.open(table.name, arrow_schema(table.columns), keys)
        self._connection.register(table.objects_name, dataset)
        if table.once:
            self._connection.define(table.name, table.view_sql)


def open_session(folder: Path | None = None, bounds: Bounds | None = None) -> SqlSession:
    """Over the tables in a folder, or in the bucket of MANGA_BUCKET. Raises ConfigurationError."""
    settings = load_settings()
    if folder is not None:
        datasets = TableDatasets.in_folder(folder)
    else:
        datasets = TableDatasets.on_s3(AwsClients(), settings.bucket, TABLES_ROOT)
    return SqlSession(datasets, list(known_analyses(settings).of_titles.values()), bounds)
