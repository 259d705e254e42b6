"""Corrections laid over rows of answers, and which columns they changed.

Belongs here: pure functions from tables to tables. Stays out: which corrections stand (`corrections.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.tables.shared_columns import CORRECTED_COLUMN
from manga_enrichment.pipeline.labels.corrections import Corrections
from manga_enrichment.pipeline.store.arrow_types import arrow_type, whole

Values = Mapping[str, Mapping[str, Any]]
"""manga_id -> column -> value."""


def corrected_among(rows: pa.Table, corrections: Corrections) -> dict[str, dict[str, Any]]:
    """What stands of these rows' titles."""
    if not corrections.by_title:
        return {}
    ids = rows.column("manga_id")
    mine = ids.filter(pc.is_in(ids, value_set=pa.array(corrections.by_title, pa.string()))).to_pylist()
    return {manga_id: values for manga_id in mine if (values := corrections.of(manga_id))}


def overlaid(rows: pa.Table, values: Values) -> pa.Table:
    """The rows with these values instead of theirs. Ids and columns that they do not have are passed over."""
    by_column: dict[str, dict[int, Any]] = {}
    for row, manga_id in _places(rows, values):
        for name, value in values[manga_id].items():
            if name in rows.column_names:
                by_column.setdefault(name, {})[row] = value
    for name, said in by_column.items():
        before = whole(rows.column(name))
        both = pa.concat_arrays([before, pa.array(list(said.values()), before.type)])
        new = {row: len(before) + number for number, row in enumerate(said)}
        take = pa.array([new.get(row, row) for row in range(len(before))], pa.int64())
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), both.take(take))
    return rows


def flags(rows: pa.Table, corrected: Mapping[str, Sequence[str]]) -> pa.Array:
    """CORRECTED_COLUMN of these rows. corrected: manga_id -> columns."""
    kind, places = arrow_type(CORRECTED_COLUMN.type), dict(_places(rows, corrected))
    if not places:
        return pa.nulls(rows.num_rows, kind)
    found = (sorted(corrected[places[row]]) if row in places else None for row in range(rows.num_rows))
    return pa.array(list(found), kind)


def _places(rows: pa.Table, wanted: Mapping[str, Any]) -> list[tuple[int, str]]:
    """(row, manga_id) of the titles that are wanted."""
    if not wanted:
        return []
    ids = whole(rows.column("manga_id"))
    found = pc.indices_nonzero(pc.is_in(ids, value_set=pa.array(wanted, pa.string())))
    return list(zip(found.to_pylist(), ids.take(found).to_pylist(), strict=True))
