"""What people say is right: from a CSV or JSON Lines file to values by title and column.

Belongs here: reading and checking such a file. Stays out: whether its titles are in the catalog
(`pipeline/trials/drawing.py`), the store of labels.

A file has `manga_id` and columns of the analysis' table, as they are called there. An empty cell says nothing. Cells
that hold several values part them by `;`.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from manga_enrichment.domain.labels.sheets import ABOUT, NOTE
from manga_enrichment.domain.tables.columns import Column, ListOf
from manga_enrichment.domain.trials.contenders import TrialError

ABOUT_TITLES = frozenset({"language", "demographic", "has_synopsis", "title", "synopsis", "themes", "note"})
"""What files say of titles beside the answer."""
_PARTS = ";"
_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_truth(
    text: str, file: str, columns: Sequence[Column], others: Iterable[str] = ()
) -> dict[str, dict[str, Any]]:
    """manga_id -> values by column, only of `columns`. others: names that other analyses have, and are passed over.

    Raises TrialError.
    """
    known = {column.name: column for column in columns}
    rows = list(_lines(text, file) if file.endswith((".jsonl", ".ndjson")) else _cells(text))
    said = {name for row in rows for name in row}
    if "manga_id" not in said:
        raise TrialError(f"{file} has no manga_id: truth is told by title, one row each")
    beside = {name for name in said if name.startswith(ABOUT)} | ABOUT_TITLES | {"manga_id"} | set(others)
    unknown = sorted(said - known.keys() - beside)
    if unknown:
        raise TrialError(f"{file}: {', '.join(unknown)} is no field of the answer; fields are {', '.join(known)}")
    if not said & known.keys():
        raise TrialError(f"{file} says nothing about the answer; fields are {', '.join(known)}")
    truth = {str(row["manga_id"]).strip(): _values(row, known, file) for row in rows if row.get("manga_id")}
    return {manga_id: values for manga_id, values in truth.items() if values}


def read_notes(text: str) -> dict[str, str]:
    """manga_id -> note, of a CSV that has such a column."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    return {str(row["manga_id"]).strip(): (row.get(NOTE) or "").strip() for row in rows if row.get("manga_id")}


def _lines(text: str, file: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise TrialError(f"{file}, line {number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise TrialError(f"{file}, line {number} is no JSON object: write one title a line")
            yield row


def _cells(text: str) -> Iterator[dict[str, Any]]:
    for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))):
        yield {name: value for name, value in row.items() if name and value is not None and value.strip()}


def _values(row: Mapping[str, Any], known: Mapping[str, Column], file: str) -> dict[str, Any]:
    values = {}
    for name in row.keys() & known.keys():
        if row[name] is not None:
            values[name] = value_of(known[name], row[name], f"{file}: {row['manga_id']}")
    return values


def value_of(column: Column, said: Any, where: str) -> Any:
    """A cell, or a JSON value, as the column has it. Raises TrialError."""
    try:
        value = _list(said) if isinstance(column.type, ListOf) else _scalar(column, said)
    except (KeyError, TypeError, ValueError) as error:
        raise TrialError(f"{where}: {column.name} cannot be {said!r:.60}; it is {_kind(column)}") from error
    wrong = [
        each for each in (value if isinstance(value, list) else [value]) if column.values and each not in column.values
    ]
    if wrong:
        raise TrialError(f"{where}: {column.name} cannot be {wrong[0]!r:.60}; it is {_kind(column)}")
    return value


def _list(said: Any) -> list[Any]:
    if isinstance(said, str):
        return [part.strip() for part in said.split(_PARTS) if part.strip()]
    if not isinstance(said, list):
        raise TypeError("a list")
    return said


def _scalar(column: Column, said: Any) -> Any:
    if column.type == "int64":
        return int(said)
    if column.type == "float64":
        return float(said)
    if column.type == "bool":
        return said if isinstance(said, bool) else _BOOLS[str(said).strip().casefold()]
    return str(said).strip()


def _kind(column: Column) -> str:
    if column.values:
        return f"one of {', '.join(column.values)}"
    return "a list" if isinstance(column.type, ListOf) else f"of type {column.type}"
