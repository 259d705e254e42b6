"""SQL over the published tables with DuckDB, in this process.

Belongs here: which tables a query names, running it, the shipped questions. Stays out: options and printing (`sql.py`).
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import duckdb
import pyarrow as pa

from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment.domain.analyses.base import AnalysisType
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

    def __init__(self, datasets: TableDatasets, analyses: Sequence[AnalysisType]) -> None:
        self._datasets = datasets
        published = published_tables(analyses)
        self._tables = {name: table for table in published for name in (table.objects_name, table.name)}
        # Extensions would be fetched from the network; what the wheel brings is enough.
        self._connection = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        self._connection.execute("SET TimeZone = 'UTC'")

    def query(self, sql: str, parameters: Mapping[str, str | list[str]] | None = None) -> pa.Table:
        """The rows of one statement. parameters: values for `$name`. Raises QueryError, ConfigurationError."""
        try:
            for name in {word.lower() for word in _WORD.findall(sql)} & set(self._tables):
                self._open(self._tables[name])
            relation = self._connection.sql(sql, params=dict(parameters or {}))
            return pa.table({}) if relation is None else _plain(relation)
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


def _plain(relation: duckdb.DuckDBPyRelation) -> pa.Table:
    """Decimals as the numbers people expect, and no two columns of one name. Raises QueryError."""
    found = relation.to_arrow_table()
    names: list[str] = []
    columns = []
    for name, kind, column in zip(found.column_names, relation.types, found.columns, strict=True):
        names.append(_another(name, {*names, *found.column_names} if name in names else set(names)))
        columns.append(_number(names[-1], str(kind), column))
    return pa.table(columns, names=names)


def _another(name: str, taken: Collection[str]) -> str:
    """The name itself, or as DuckDB would say it of a second one: a, a_1, a_2."""
    others = (f"{name}_{number}" for number in count(1))
    return next(each for each in chain([name], others) if each not in taken)


def _number(name: str, kind: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """DuckDB sums integers in 128 bits, which Arrow calls a decimal; unsigned ones come out wrong."""
    if not pa.types.is_decimal(column.type):
        return column
    try:
        if kind == "UHUGEINT":
            raise pa.ArrowInvalid(kind)
        return column.cast(pa.float64() if column.type.scale else pa.int64())
    except pa.ArrowInvalid:
        raise QueryError(
            f'The column "{name}" has a number beyond 64 bits: cast it in the query, to VARCHAR for all its digits or '
            "to DOUBLE for the first sixteen."
        ) from None
