"""Generated titles as a catalog file, with the truth beside it.

Belongs here: JSONL, CSV and Parquet by extension, and the bad rows of the shipped sample. Stays out: what a title is
(`generator.py`).
"""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.local.sample_catalog.generator import GeneratedTitle, generate

SAMPLE_ROWS = 500
SAMPLE_SEED = 20240501
_PARQUET_BATCH_ROWS = 10_000
_BAD_ROWS_FROM = 6
"""Good rows that the bad ones are made from."""

_TEXTS = pa.list_(pa.field("element", pa.string()))
_SCHEMA = pa.schema(
    [
        ("manga_id", pa.string()),
        ("title", pa.string()),
        ("title_ja", pa.string()),
        ("title_kana", pa.string()),
        ("title_en", pa.string()),
        ("synonyms", _TEXTS),
        ("authors", pa.list_(pa.field("element", pa.struct([("name", pa.string()), ("role", pa.string())])))),
        ("publisher", pa.string()),
        ("magazines", _TEXTS),
        ("isbn13", pa.string()),
        ("publisher_genres", _TEXTS),
        ("themes", _TEXTS),
        ("demographics", _TEXTS),
        ("content_rating", pa.string()),
        ("type", pa.string()),
        ("synopsis", pa.string()),
        ("volumes", pa.int32()),
        ("chapters", pa.int32()),
        ("status", pa.string()),
        ("start_year", pa.int32()),
        ("source", pa.string()),
        ("source_id", pa.string()),
        ("updated_at", pa.string()),
        ("shelf", pa.string()),
    ]
)


def write_catalog(path: Path, rows: int, seed: int, *, bad_rows: bool = False) -> Path:
    """Write `rows` titles to a .jsonl, .csv or .parquet file, and their truth to <stem>_truth.jsonl beside it.

    bad_rows appends the rows of `flawed_rows`. Returns the path of the truth. Raises ConfigurationError for another
    extension.
    """
    writer = {".jsonl": _write_jsonl, ".csv": _write_csv, ".parquet": _write_parquet}.get(path.suffix.lower())
    if writer is None:
        raise ConfigurationError(f"{path} must end in .jsonl, .csv or .parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    truth_path = path.with_name(f"{path.stem}_truth.jsonl")
    with truth_path.open("wb") as truth_file:
        titles = _noting_truth(generate(rows, seed), truth_file)
        flawed = flawed_rows(islice(generate(rows, seed), _BAD_ROWS_FROM)) if bad_rows else []
        writer(path, chain(titles, flawed))
    return truth_path


def flawed_rows(titles: Iterable[GeneratedTitle]) -> list[dict[str, Any]]:
    """Bad rows made from good ones, each with one flaw of those that real catalogs have.

    In order: id in lower case, id too short, no id, no title, a title of invisible characters, and an older state of
    the first title. (A newer state would replace the good row.)
    """
    good = [title.row for title in titles]
    return [
        {**good[1], "manga_id": good[1]["manga_id"].lower()},
        {**good[2], "manga_id": good[2]["manga_id"][:-1]},
        {name: value for name, value in good[3].items() if name != "manga_id"},
        {name: value for name, value in good[4].items() if name != "title"} | {"manga_id": "MNG-NOTITLE0"},
        {**good[5], "manga_id": "MNG-NOTITLE1", "title": "\u200b \u3000"},
        {**good[0], "title": f"{good[0]['title']} (old)", "updated_at": "2019-04-01T00:00:00Z"},
    ]


def _noting_truth(titles: Iterator[GeneratedTitle], truth_file: Any) -> Iterator[dict[str, Any]]:
    for title in titles:
        truth_file.write(orjson.dumps(title.truth) + b"\n")
        yield title.row


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row) + b"\n" for row in rows)


def _write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Authors as "name (role); ...", other lists as JSON: the two ways that catalogs in CSV use."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _SCHEMA.names)
        writer.writeheader()
        writer.writerows({name: _csv_cell(name, value) for name, value in row.items()} for row in rows)


def _csv_cell(name: str, value: object) -> object:
    if name == "authors" and isinstance(value, list):
        return "; ".join(f"{author['name']} ({author['role']})" for author in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    remaining = iter(rows)
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        while batch := list(islice(remaining, _PARQUET_BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, _SCHEMA))
