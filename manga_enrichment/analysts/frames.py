"""A table as a frame of pandas.

Belongs here: the types of its columns. Stays out: SQL (`session.py`), where tables lie
(`manga_enrichment/aws/s3/table_datasets.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from manga_enrichment.analysts.session import open_session
from manga_enrichment.pipeline.publish.tables import PartitionKey

if TYPE_CHECKING:
    import pandas as pd

_DAYS = frozenset(key.value for key in PartitionKey if key.is_day)


def load(table: str, columns: Sequence[str] = (), *, folder: Path | str | None = None) -> "pd.DataFrame":
    """A published table, whole. columns: those alone. folder: tables on this disk, instead of MANGA_BUCKET's.

    Texts are `string`, whole numbers `Int64`, true and false `boolean`, all with `pd.NA` for what is missing; times
    have a time zone, UTC; days (`date`, `run_date`) are datetimes without one; lists and structs are Python's own.
    Raises QueryError where there is no such table or column, ConfigurationError where there are no tables.
    """
    wanted = ", ".join(map(_quoted, columns)) or "*"
    session = open_session(Path(folder) if folder is not None else None)
    return _frame(session.query(f"SELECT {wanted} FROM {_quoted(table)}"))  # noqa: S608 (quoted)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _frame(found: pa.Table) -> "pd.DataFrame":
    import pandas as pd  # noqa: PLC0415 (here: SQL needs no pandas)

    kinds = {pa.string(): pd.StringDtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = found.to_pandas(types_mapper=kinds.get)
    for field in found.schema:
        if pa.types.is_nested(field.type):
            frame[field.name] = pd.Series(found[field.name].to_pylist(), dtype=object)
        elif field.name in _DAYS:
            frame[field.name] = pd.to_datetime(frame[field.name], format="%Y-%m-%d")
    return frame
