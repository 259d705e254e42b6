#!/usr/bin/env bash
# One would guess: a Parquet file that is being written has its footer only at the end, so when the writing code raises
#   in the middle there is no file, or one that no reader accepts.
# True: leaving `with ParquetWriter(...)` by an exception writes the footer all the same. Under the final name lies a
#   whole, valid Parquet file of the rows so far; a good file that was there before is gone. pyarrow reads it, and so
#   does DuckDB, without a word.
# Why it matters here: a table has one object a bucket, and readers must never see half of one. Rows are therefore
#   serialised completely first and put as one object; no Parquet writer ever has the final name.
# Seen with pyarrow 26.0.1 and duckdb 2.0.1:
#   before 5 titles; writing raised after 2; now pyarrow reads 2, duckdb reads 2
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1

"$folder/venv/bin/python" - "$folder" <<'EOF'
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

path = Path(sys.argv[1]) / "part.parquet"
pq.write_table(pa.table({"manga_id": ["a", "b", "c", "d", "e"]}), path)
before = pq.read_table(path).num_rows


def batches():
    """Five new titles, of which the third cannot be fetched."""
    for manga_id in ("A", "B"):
        yield pa.record_batch({"manga_id": [manga_id]})
    raise ConnectionError("the source is away")


raised = False
try:
    with pq.ParquetWriter(path, pa.schema([("manga_id", pa.string())])) as writer:
        for batch in batches():
            writer.write_batch(batch)
except ConnectionError:
    raised = True
by_pyarrow = pq.read_table(path)["manga_id"].to_pylist()
by_duckdb = [manga_id for (manga_id,) in duckdb.sql(f"SELECT manga_id FROM '{path}' ORDER BY 1").fetchall()]
print(f"pyarrow {pa.__version__}, duckdb {duckdb.__version__}")
print(f"before {before} titles; writing raised after 2; now pyarrow reads {by_pyarrow}, duckdb reads {by_duckdb}")
assert raised
assert (before, by_pyarrow, by_duckdb) == (5, ["A", "B"], ["A", "B"])
EOF
