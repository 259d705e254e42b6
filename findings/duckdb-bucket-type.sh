#!/usr/bin/env bash
# One would guess: the type of a column that comes from folder names (bucket=00/ ... bucket=11/) belongs to the table.
# True: DuckDB decides it per query, from the folders that the glob happens to match. One leading zero among them and
#   `bucket` is text; none, and it is an integer. So `bucket >= 3` is refused over the whole table, works over a part
#   of it, and `bucket >= '3'` compares as text in one case and as number in the other: other rows, no error.
#   pyarrow says int32 for the same folder.
# Why it matters here: our tables lie in such folders, and analysts read them with a DuckDB of their own. A query that
#   was tried on some buckets may fail on all, or drop rows. hive_types={'bucket': INTEGER} holds for every glob.
# Seen with duckdb 2.0.1 and pyarrow 26.0.1, twelve buckets with one title each:
#   glob                  type     bucket >= 3   bucket >= '3'   with hive_types
#   */*.parquet           VARCHAR  BinderException       0        9
#   bucket=1*/*.parquet   BIGINT   2                     2        2
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1

"$folder/venv/bin/python" - "$folder" <<'EOF'
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

table = Path(sys.argv[1]) / "titles"
for bucket in range(12):
    (table / f"bucket={bucket:02d}").mkdir(parents=True)
    pq.write_table(pa.table({"manga_id": [f"title {bucket}"]}), table / f"bucket={bucket:02d}" / "part.parquet")


def asked(what, glob, where="true", options=""):
    """The first value of the answer, or the name of the error."""
    try:
        rows = f"read_parquet('{table}/{glob}', hive_partitioning=true{options})"
        return duckdb.sql(f"SELECT {what} FROM {rows} WHERE {where}").fetchall()[0][0]
    except duckdb.Error as error:
        return type(error).__name__


def row(glob):
    typed = ", hive_types={'bucket': INTEGER}"
    return [
        asked("any_value(typeof(bucket))", glob),
        asked("count(*)", glob, "bucket >= 3"),
        asked("count(*)", glob, "bucket >= '3'"),
        asked("count(*)", glob, "bucket >= 3", typed),
    ]


whole, part = row("*/*.parquet"), row("bucket=1*/*.parquet")
by_pyarrow = str(ds.dataset(table, partitioning="hive").schema.field("bucket").type)
print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}")
print("*/*.parquet        ", *whole, "\nbucket=1*/*.parquet", *part, "\npyarrow            ", by_pyarrow)
assert whole == ["VARCHAR", "BinderException", 0, 9], whole
assert part == ["BIGINT", 2, 2, 2], part
assert by_pyarrow == "int32", by_pyarrow
EOF
