#!/usr/bin/env bash
# One would guess: `ParquetFile.iter_batches(batch_size=100)` gives batches of at most 100 rows, whatever else is done
#   with the file; each call makes an iterator of its own.
# True: the batch size is kept in the file, not in the iterator. When a second iterator begins with another size, the
#   first goes on with that one. No row is lost or told twice; there are only more of them at a time.
# Why it matters here: tables are gone through side by side in little memory, and an open file is shared by all that
#   read it. A reader of a thousand rows that began beside one of a hundred takes the hundred's memory bound away.
# Seen with pyarrow 26.0.1:
#   alone: 100, 100, 100, ...; once another has begun with 1000: 100, then 1000, 1000, 1000, 900
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1

"$folder/venv/bin/python" - "$folder" <<'EOF'
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

path = Path(sys.argv[1]) / "titles.parquet"
pq.write_table(pa.table({"number": list(range(4000))}), path)

alone = [batch.num_rows for batch in pq.ParquetFile(path).iter_batches(batch_size=100)]
file = pq.ParquetFile(path)
small = file.iter_batches(batch_size=100)
first = next(small)
large = file.iter_batches(batch_size=1000)
of_large = [next(large).num_rows]
rest = list(small)
sizes = [first.num_rows, *(batch.num_rows for batch in rest)]
numbers = [number for batch in (first, *rest) for number in batch.column("number").to_pylist()]
of_large += [batch.num_rows for batch in large]
print(f"pyarrow {pa.__version__}")
print(f"alone: {alone[:3]} and so on, {len(alone)} batches; once another has begun with 1000: {sizes}")
assert set(alone) == {100}
assert sizes == [100, 1000, 1000, 1000, 900]
assert numbers == list(range(4000))
assert of_large == [1000, 1000, 1000, 1000]
EOF
