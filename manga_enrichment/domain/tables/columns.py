"""Columns of the published tables, described without a table library.

One description serves the Parquet schema (`pipeline/store/arrow_types.py`), `docs/tables.md` and the Athena
templates. Types are written as nested tuples so that the domain stays free of pyarrow.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Scalar = Literal["string", "int64", "float64", "bool", "timestamp", "date"]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list column; items are a scalar or a struct."""

    item: "Scalar | StructOf"


@dataclass(frozen=True, slots=True)
class StructOf:
    """A struct: (field name, scalar) in order."""

    fields: tuple[tuple[str, Scalar], ...]


ColumnType = Scalar | ListOf | StructOf


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, type, what it means (units, source), and whether it can be null.

    values: the only ones a string, or each string of a list, may have; () for any.
    """

    name: str
    type: ColumnType
    doc: str
    nullable: bool = True
    values: tuple[str, ...] = ()


@cache
def sql_words() -> frozenset[str]:
    """Words that DuckDB or Athena keep for themselves: a table or column of such a name would have to be quoted."""
    return frozenset(files("manga_enrichment.domain.tables").joinpath("sql_words.txt").read_text("utf-8").split())
