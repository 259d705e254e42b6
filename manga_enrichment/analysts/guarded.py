"""DuckDB that reads the tables it was given, and nothing else.

Belongs here: what a query may say, reach and take. Stays out: which tables there are (`session.py`); memory that
DuckDB does not count, which only a process of its own can bound (`bounded.py`).
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from manga_enrichment.analysts.plain import QueryError, plain_columns

_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
"""Of those that stand where a table may stand. All others read files, the catalog of DuckDB, or run text as SQL."""
_ROWS_AT_ONCE = 4096
_LOCKED_DOWN = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",  # a name would be looked up among the variables of our own code
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one query may take; None: no bound. rows: of its answer, which is cut there. memory_mb: see `bounded.py`."""

    seconds: float | None = None
    rows: int | None = None
    memory_mb: int | None = None


class Answer(NamedTuple):
    """is_cut: there were more rows than the bound."""

    table: pa.Table
    is_cut: bool


class GuardedConnection:
    """names: of the tables that a query may name."""

    def __init__(self, names: Collection[str], bounds: Bounds) -> None:
        self._names = tuple(name.lower() for name in names)
        self._bounds = bounds
        memory = {"memory_limit": f"{bounds.memory_mb}MB", "threads": "2"} if bounds.memory_mb else {}
        self._connection = duckdb.connect(config={**_LOCKED_DOWN, **memory})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET lock_configuration = true")

    def register(self, name: str, dataset: Any) -> None:
        """dataset: what DuckDB reads as a table, for example an Arrow dataset."""
        self._connection.register(name, dataset)

    def define(self, name: str, sql: str) -> None:
        """A view. sql: ours, not a user's."""
        self._connection.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")

    def tables_of(self, sql: str) -> frozenset[str]:
        """The tables that a query names, in small letters. Raises QueryError where it is not one SELECT over tables."""
        with _as_query_errors(None):
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1:
                raise QueryError(f"One statement at a time: this is {len(statements)}.")
            if statements[0].type.name == "MULTI":
                raise QueryError("PIVOT needs the values that become columns: PIVOT ... ON x IN ('a', 'b').")
            if statements[0].type != duckdb.StatementType.SELECT:
                raise QueryError("Only SELECT: nothing is changed or written here. --format keeps an answer in a file.")
            ((found,),) = self._connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
            return self._allowed(json.loads(found))

    def query(self, sql: str, parameters: Mapping[str, Any]) -> Answer:
        """Of a query that `tables_of` has let pass. Raises QueryError."""
        with _as_query_errors(self._bounds.seconds, self._connection):
            relation = self._connection.sql(sql, params=dict(parameters))
            if relation is None:
                raise QueryError("It has no answer.")
            reader = relation.to_arrow_reader(_ROWS_AT_ONCE)
            batches, count = [], 0
            for batch in reader:
                batches.append(batch)
                count += batch.num_rows
                if self._bounds.rows is not None and count > self._bounds.rows:
                    break
            found = pa.Table.from_batches(batches, reader.schema).slice(0, self._bounds.rows)
            return Answer(plain_columns(found, [str(kind) for kind in relation.types]), count > found.num_rows)

    def _allowed(self, document: Mapping[str, Any]) -> frozenset[str]:
        if document.get("error"):
            raise QueryError(str(document["error_message"]))
        nodes = list(_nodes(document))
        own = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
        named = set()
        for node in nodes:
            if node.get("type") == "TABLE_FUNCTION":
                self._allow_function(str(node["function"].get("function_name", "")).lower())
            elif node.get("type") == "SHOW_REF" and node.get("show_type") == "SHOW_SPECIAL":
                raise QueryError(self._told())
            elif node.get("type") == "BASE_TABLE":
                named.add(
                    ".".join(filter(None, (node["catalog_name"], node["schema_name"], node["table_name"]))).lower()
                )
        if unknown := sorted(named - own - set(self._names)):
            raise QueryError(f"{unknown[0]} is no table here. {self._told()}")
        return frozenset(named & set(self._names))

    def _told(self) -> str:
        return f"The tables are: {', '.join(self._names)} (docs/tables.md)."

    def _allow_function(self, name: str) -> None:
        if name not in _TABLE_FUNCTIONS:
            raise QueryError(f"{name}() cannot stand for a table here: only the published tables are read.")


def _nodes(document: Any) -> Iterator[dict[str, Any]]:
    """All objects within a JSON document, however deep."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
        left.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())


@contextmanager
def _as_query_errors(seconds: float | None, connection: duckdb.DuckDBPyConnection | None = None) -> Iterator[None]:
    """DuckDB's errors as ours. With seconds and connection: what runs there is interrupted then."""
    late = Event()

    def interrupt() -> None:
        late.set()
        if connection is not None:
            connection.interrupt()

    timer = Timer(seconds, interrupt) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    except RecursionError as error:
        raise QueryError("It is nested too deeply.") from error
    except (duckdb.Error, OSError, MemoryError) as error:  # Arrow's reader tells of DuckDB's as OSError
        if late.is_set():
            raise QueryError(f"It took longer than {seconds:g} s: ask for less of it.") from error
        raise QueryError(_explained(str(error))) from error
    finally:
        if timer is not None:
            timer.cancel()


def _explained(message: str) -> str:
    if "Out of Memory" in message or "malloc" in message or not message:
        return "It needs more memory than a query may take: ask for fewer rows or columns of it."
    if "parameter" in message.lower():
        return f"{message}\nGive each $name of the query a value: --param name=value."
    return message
