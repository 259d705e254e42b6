"""Answers of DuckDB as people and programs expect them.

Belongs here: names and types of columns. Stays out: asking (`session.py`), printing (`manga_enrichment/cli/sql`).
"""

from collections.abc import Collection, Sequence
from itertools import chain, count

import pyarrow as pa


class QueryError(ValueError):
    """The query cannot be answered, or may not be asked; the message says why, and what to do."""


def plain_columns(found: pa.Table, kinds: Sequence[str]) -> pa.Table:
    """Decimals as the numbers people expect, no two columns of one name. kinds: DuckDB's types. Raises QueryError."""
    names: list[str] = []
    columns = []
    for name, kind, column in zip(found.column_names, kinds, found.columns, strict=True):
        names.append(_another(name, {*names, *found.column_names} if name in names else set(names)))
        columns.append(_number(names[-1], kind, column))
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
