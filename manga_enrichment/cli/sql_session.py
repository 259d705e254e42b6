"""SQL over the published tables with DuckDB, in this process.

Belongs here: which tables a query names, running it, the shipped questions. Stays out: options and printing (`sql.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment.domain.analyses import ANALYSES
from manga_enrichment.pipeline.publish.tables import PublishedTable, published_tables
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.runtime.shipped import shipped

_PARAMETER = re.compile(r"^--\s*\$(\w+):\s*(.+)$")
_IN_WORDS = re.compile(r"^--\s*\$(\w+):\s*in words\b", re.MULTILINE)


_WORD = re.compile(r"\w+")
"""DuckDB could name a query's tables, but not those of one with parameters; a table too many costs a listing."""


class QueryError(ValueError):
    """The query cannot be answered; the message is DuckDB's, with a hint."""


@dataclass(frozen=True, slots=True)
class Question:
    """A shipped query. title: its first line; parameters: what each `$name` of it stands for."""

    path: Path
    title: str
    parameters: Mapping[str, str]


def questions() -> list[Question]:
    """The shipped ones, by name. Raises NotShippedError."""
    return [read_question(path) for path in sorted(shipped("data/sql").glob("*.sql"))]


def read_question(path: Path) -> Question:
    lines = path.read_text("utf-8-sig").splitlines()
    found = filter(None, map(_PARAMETER.match, lines))
    return Question(path, lines[0].removeprefix("--").strip() if lines else "", {each[1]: each[2] for each in found})


def with_ids(sql: str, parameters: Mapping[str, str], find: Callable[[str], list[str]]) -> dict[str, str | list[str]]:
    """The parameters, those that the query takes in words as ids of titles, best first. find: ids for words."""
    meant = set(_IN_WORDS.findall(sql))
    return {name: find(value) if name in meant else value for name, value in parameters.items()}


class SqlSession:
    """Queries over tables that are opened when a query first names them."""

    def __init__(self, datasets: TableDatasets) -> None:
        self._datasets = datasets
        published = published_tables(list(ANALYSES.values()))
        self._tables = {name: table for table in published for name in (table.objects_name, table.name)}
        # Extensions would be fetched from the network; what the wheel brings is enough.
        self._connection = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        self._connection.execute("SET TimeZone = 'UTC'")

    def query(self, sql: str, parameters: Mapping[str, str | list[str]] | None = None) -> pa.Table:
        """The rows of one statement. parameters: values for `$name`. Raises QueryError, ConfigurationError."""
        try:
            for name in set(_WORD.findall(sql)) & set(self._tables):
                self._open(self._tables[name])
            relation = self._connection.sql(sql, params=dict(parameters or {}))
            return pa.table({}) if relation is None else _plain(relation.to_arrow_table())
        except duckdb.Error as error:
            raise QueryError(self._explained(str(error))) from error

    def _open(self, table: PublishedTable) -> None:
        keys = [key.value for key in table.partition_keys]
        dataset = self._datasets.open(table.name, arrow_schema(table.columns), keys)
        self._connection.register(table.objects_name, dataset)
        if table.once:
            self._connection.execute(f"CREATE OR REPLACE VIEW {table.name} AS {table.view_sql}")

    def _explained(self, message: str) -> str:
        if "does not exist" in message and "Table" in message:
            return f"{message}\nThe tables are: {', '.join(self._tables)} (docs/tables.md)."
        if "parameter" in message.lower():
            return f"{message}\nGive each $name of the query a value: --param name=value."
        return message


def _plain(found: pa.Table) -> pa.Table:
    """Decimals as the numbers people expect: DuckDB sums integers in 128 bits, which Arrow calls a decimal."""

    def plain(field: pa.Field) -> pa.Field:
        if not pa.types.is_decimal(field.type):
            return field
        return field.with_type(pa.float64() if field.type.scale else pa.int64())

    return found.cast(pa.schema([plain(field) for field in found.schema]))
