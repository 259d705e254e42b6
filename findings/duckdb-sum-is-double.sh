#!/usr/bin/env bash
# One would guess: the sum of a BIGINT column, in which money lies as whole micro-dollars so that nothing is rounded, is
#   an integer wherever it goes.
# True: DuckDB's SUM over BIGINT is a HUGEINT, for which neither Parquet nor pandas has a type. Both get a DOUBLE, without
#   a word, which rounds beyond 2^53; Arrow gets a decimal128(38, 0), Python the exact integer. A cast to BIGINT in
#   the query keeps all of them exact.
# Why it matters here: costs are summed in SQL. A sum that is written to a table or taken as a DataFrame has another type
#   than its column, joins and comparisons become those of floats, and a ledger that should agree to the last unit
#   may not.
# Seen with duckdb 2.0.1, pyarrow 26.0.1 and pandas 3.1.1, for the one value 9007199254740993:
#   python 9007199254740993   arrow decimal128(38, 0)   pandas float64 9007199254740992   parquet double 9007199254740992
#   with a cast: python 9007199254740993   arrow int64   pandas int64 9007199254740993   parquet int64 9007199254740993
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check duckdb==2.0.1 pyarrow==26.0.1 pandas==3.1.1

"$folder/venv/bin/python" - "$folder" <<'EOF'
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

EXACT = 2**53 + 1
connection = duckdb.connect()
connection.execute(f"CREATE TABLE costs AS SELECT {EXACT}::BIGINT AS micro_usd")


def seen(expression):
    """(Python's value, Arrow's type, pandas' type and value, Parquet's type and value) of a sum."""
    query, file = f"SELECT {expression} AS total FROM costs", Path(sys.argv[1]) / "total.parquet"
    [[value]] = connection.execute(query).fetchall()
    arrow = connection.sql(query).to_arrow_table().schema.field("total").type
    frame = connection.sql(query).df()["total"]
    connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
    written = pq.read_table(file)["total"]
    return value, str(arrow), (str(frame.dtype), int(frame[0])), (str(written.type), int(written[0].as_py()))


bare, cast = seen("sum(micro_usd)"), seen("sum(micro_usd)::BIGINT")
print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}, pandas {pd.__version__}")
print("sum(micro_usd)        ", *bare)
print("sum(micro_usd)::BIGINT", *cast)
assert bare == (EXACT, "decimal128(38, 0)", ("float64", EXACT - 1), ("double", EXACT - 1)), bare
assert cast == (EXACT, "int64", ("int64", EXACT), ("int64", EXACT)), cast
EOF
