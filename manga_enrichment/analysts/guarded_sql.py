"""Which SQL people may ask: one SELECT over the published tables, and nothing that names anything else.

Belongs here: reading a statement's tree. Stays out: running it (`session.py`, `manga_enrichment/browse/sql_worker.py`),
where DuckDB itself, without external access and with its configuration locked, holds whatever gets past this.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import duckdb

from manga_enrichment.analysts.plain import QueryError

ROW_MAKERS = frozenset({"unnest", "range", "generate_series", "generate_subscripts"})
"""Functions that may stand in place of a table: they read nothing."""
_TOO_DEEP = "The query is nested too deep."
_TABLES = {"BASE_TABLE"}
_OTHER_SOURCES = {"SHOW_REF", "TABLE_FUNCTION"}
MAX_CHARACTERS = 20_000
MAX_DEPTH = 800
"""Of a statement's tree; some levels of it are one of SQL. Below what Python reads, whose own limit others may move."""


class RefusedQueryError(QueryError):
    """Not a query that may be asked; the message says why, in a sentence."""


def check_query(sql: str, names: Collection[str]) -> set[str]:
    """The tables that it names, in small letters. names: of all published ones. Raises RefusedQueryError."""
    if len(sql) > MAX_CHARACTERS:
        raise RefusedQueryError(f"The query has more than {MAX_CHARACTERS:,} characters.")
    (statement,) = _statements(sql)
    nodes = list(_nodes(statement))
    known = {name.lower() for name in names} | set(_with_names(nodes))
    for node in nodes:
        kind = node.get("type")
        if kind in _TABLES:
            _check_table(node, known, names)
        elif kind in _OTHER_SOURCES and _function(node) not in ROW_MAKERS:
            what = _function(node) or "DESCRIBE, SHOW and SUMMARIZE"
            raise RefusedQueryError(f"{what}: a query reads the published tables and nothing else (docs/tables.md).")
    named = {str(node.get("table_name", "")).lower() for node in nodes if node.get("type") in _TABLES}
    return named & {name.lower() for name in names}


def _statements(sql: str) -> list[Any]:
    with duckdb.connect() as connection:
        try:
            told = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()[0][0]
        except duckdb.Error as error:
            raise RefusedQueryError(_sentence(str(error))) from error
    try:
        found = json.loads(told)
    except RecursionError:
        raise RefusedQueryError(_TOO_DEEP) from None
    if found["error"]:
        message = str(found.get("error_message", ""))
        is_other = found.get("error_type") == "not implemented"
        raise RefusedQueryError("Only a SELECT can be asked here." if is_other else f"The query is no SQL: {message}")
    statements = list(found["statements"])
    if len(statements) != 1:
        raise RefusedQueryError(f"Ask one SELECT at a time; these are {len(statements)} statements.")
    return statements


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the tree, without recursion: how deep a query is nested is its author's choice."""
    left = [(tree, 0)]
    while left:
        each, depth = left.pop()
        if depth > MAX_DEPTH:
            raise RefusedQueryError(_TOO_DEEP)
        if isinstance(each, dict):
            yield each
        if isinstance(each, dict | list):
            left.extend((inner, depth + 1) for inner in (each.values() if isinstance(each, dict) else each))


def _with_names(nodes: Collection[dict[str, Any]]) -> Iterator[str]:
    for node in nodes:
        named = node.get("cte_map")
        if isinstance(named, dict):
            yield from (str(each["key"]).lower() for each in named.get("map", ()))
        if node.get("type") in ("RECURSIVE_CTE_NODE", "CTE_NODE"):
            yield str(node.get("cte_name", "")).lower()


def _check_table(node: dict[str, Any], known: Collection[str], names: Iterable[str]) -> None:
    path = [str(each) for each in node.get("qualified_name", {}).get("path", ())]
    path = path or [str(node[part]) for part in ("catalog_name", "schema_name", "table_name") if node.get(part)]
    if len(path) != 1 or path[0].lower() not in known:
        there = f"The tables are: {', '.join(names)} (docs/tables.md)."
        raise RefusedQueryError(f"There is no published table {'.'.join(path)}. {there}")


def _function(node: dict[str, Any]) -> str:
    function = node.get("function")
    if not isinstance(function, dict):
        return ""
    path = function.get("qualified_name", {}).get("path") or [function.get("function_name", "")]
    return ".".join(map(str, path)).lower()


def _sentence(message: str) -> str:
    return message.split("\n\n", maxsplit=1)[0].strip()
