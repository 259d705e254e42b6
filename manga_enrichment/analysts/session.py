"""SQL over the published tables with DuckDB, in this process.

Belongs here: opening the tables that a query names. Stays out: what it may say (`guarded_sql.py`), the shipped
questions (`questions.py`), options and printing (`manga_enrichment/cli/sql`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from manga_enrichment.analysts.guarded_sql import check_query
from manga_enrichment.analysts.plain import QueryError, plain_columns
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.pipeline.publish.tables import PublishedTable, published_tables
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT
from manga_enrichment.settings import known_analyses, load_settings

_LOCKED_DOWN = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",  # a name would be looked up among the variables of our own code
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


class SqlSession:
    """Queries over tables that are opened when a query first names them, on a connection that reaches nothing else."""

    def __init__(self, datasets: TableDatasets, analyses: Sequence[AnalysisType]) -> None:
        self._datasets = datasets
        published = published_tables(analyses)
        self._tables = {name: table for table in published for name in (table.objects_name, table.name)}
        self._connection = duckdb.connect(config={**_LOCKED_DOWN})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET lock_configuration = true")

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The rows of one SELECT. parameters: values for `$name`. Raises QueryError, ConfigurationError."""
        for name in sorted(check_query(sql, self._tables)):
            self._open(self._tables[name])
        return self.answer(sql, parameters or {})

    def answer(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """As `query`, of a text that was checked, over tables that are open. Raises QueryError."""
        try:
            relation = self._connection.sql(sql, params=dict(parameters))
            if relation is None:
                raise QueryError("It has no answer.")
            return plain_columns(relation.to_arrow_table(), [str(kind) for kind in relation.types])
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    def _open(self, table: PublishedTable) -> None:
        keys = [key.value for key in table.partition_keys]
        dataset = self._datasets.open(table.name, arrow_schema(table.columns), keys)
        self._connection.register(table.objects_name, dataset)
        if table.once:
            self._connection.execute(f"CREATE OR REPLACE VIEW {table.name} AS {table.view_sql}")


def open_session(folder: Path | None = None) -> SqlSession:
    """Over the tables in a folder, or in the bucket of MANGA_BUCKET. Raises ConfigurationError."""
    settings = load_settings()
    if folder is not None:
        datasets = TableDatasets.in_folder(folder)
    else:
        datasets = TableDatasets.on_s3(AwsClients(), settings.bucket, TABLES_ROOT)
    return SqlSession(datasets, list(known_analyses(settings).of_titles.values()))
