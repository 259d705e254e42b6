"""One query in a process of its own, which ends with it: `python -m manga_enrichment.browse.sql_worker`.

Belongs here: the connection that a stranger's SQL runs on, and the limits of its process. Stays out: who asks, and the
time after which this process is killed (`sql_box.py`).

Standard input is a JSON document (`sql_box.py:Task`), standard output an Arrow stream. A fault of the query is exit
code 3 and a sentence on standard error. The process has no credentials in its environment and may write no file.
"""

import json
import resource
import sys
from itertools import count
from typing import Any

import duckdb
import pyarrow as pa

REFUSED = 3
ADDRESS_SPACE_BYTES = 4 * 1024**3
_THREADS = 2
_BATCH_ROWS = 2_048


def main() -> int:
    task = json.load(sys.stdin)
    _limit(task["seconds"])
    try:
        answer(task, sys.stdout.buffer)
    except (duckdb.Error, TooMuchError) as error:
        sys.stderr.write(str(error).split("\n\n", maxsplit=1)[0])
        return REFUSED
    except MemoryError:
        sys.stderr.write("The query takes too much memory.")
        return REFUSED
    return 0


class TooMuchError(Exception):
    """The result is too large."""


def answer(task: dict[str, Any], out: Any) -> None:
    """Write the rows, at most `rows` and one more, by which the reader knows that there are more."""
    connection = locked(task["views"], task["folder"], task["memory_mb"])
    reader = connection.sql(task["sql"], params=task["parameters"]).to_arrow_reader(_BATCH_ROWS)
    left, size = task["rows"] + 1, 0
    schema = pa.schema(
        [field.with_name(name) for field, name in zip(reader.schema, _names(reader.schema), strict=True)]
    )
    with pa.ipc.new_stream(out, schema) as writer:
        for batch in reader:
            rows = batch.slice(0, left)
            left, size = left - rows.num_rows, size + rows.nbytes
            if size > task["bytes"]:
                raise TooMuchError(f"The result has more than {task['bytes'] / 1e6:.0f} MB: ask for less.")
            writer.write_batch(pa.RecordBatch.from_arrays(rows.columns, schema=schema))
            if not left:
                return


def locked(views: list[str], folder: str, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """A connection that reads the files of the copy through these views, and whose settings nobody can change."""
    connection = duckdb.connect()
    for statement in (
        "SET TimeZone = 'UTC'",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        "SET allow_community_extensions = false",
        "SET python_enable_replacements = false",
        f"SET memory_limit = '{memory_mb}MB'",
        f"SET threads = {_THREADS}",
        "SET temp_directory = ''",
        *views,
        f"SET allowed_directories = ['{folder.replace(chr(39), chr(39) * 2)}']",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def _limit(seconds: float) -> None:
    """What holds even where DuckDB's own limits do not."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    most = int(seconds * (_THREADS + 1)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))


def _names(schema: pa.Schema) -> list[str]:
    """Of two columns of one name the second is name_1."""
    names: list[str] = []
    for name in schema.names:
        others = (f"{name}_{number}" for number in count(1))
        names.append(
            name if name not in names else next(each for each in others if each not in [*names, *schema.names])
        )
    return names


if __name__ == "__main__":
    sys.exit(main())
