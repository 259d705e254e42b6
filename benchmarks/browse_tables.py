"""Tables of any number of made-up titles, written by DuckDB alone: as wide and as long as those of a real night.

Belongs here: what pages of titles are measured on. Stays out: measuring (`browse.py`).
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from manga_enrichment.browse.tables import quoted
from manga_enrichment.domain.analyses.registry import packaged_analyses
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.pipeline.publish.tables import published_tables

_GENRES = (
    "action",
    "romance",
    "horror",
    "comedy",
    "drama",
    "fantasy",
    "mystery",
    "slice_of_life",
    "sports",
    "science_fiction",
)
_VOCABULARY = """lantern river winter orchard stranger letter harbor fox crown garden thunder secret paper mirror island
clock forest summer blade voice moon railway kitchen ghost mountain storm library silver promise night school dragon"""
_WORDS = _VOCABULARY.split()
_KANA = "あさひかわつきよるもりうみそらはなゆきほしかぜやまみちとりねこいぬくもひかりかげことばてがみ"


def _pick(values: Iterable[str], salt: str) -> str:
    listed = list(values)
    return f"[{', '.join(map(quoted, listed))}][1 + (hash(i, '{salt}') % {len(listed)})::INT]"


def _words(count: int, salt: str) -> str:
    return f"array_to_string([{', '.join(_pick(_WORDS, f'{salt}{at}') for at in range(count))}], ' ')"


def _kana(count: int, salt: str) -> str:
    return " || ".join(_pick(_KANA, f"{salt}{at}") for at in range(count))


def _values(titles: int) -> dict[str, str]:
    """Column -> expression over the row's number i."""
    return {
        "manga_id": "'MNG-' || printf('%08d', i)",
        "title": f"{_words(3, 't')} || ' ' || i",
        "title_ja": f"{_kana(8, 'j')}",
        "title_kana": f"{_kana(8, 'j')}",
        "title_en": f"CASE WHEN i % 3 = 0 THEN {_words(3, 'e')} END",
        "synonyms": f"CASE WHEN i % 2 = 0 THEN [{_words(3, 's')}] ELSE []::VARCHAR[] END",
        "authors": f"[{{'name': {_pick(_WORDS, 'a')} || ' ' || (i // 7), 'role': 'story'}}]",
        "publisher": _pick(_WORDS, "p"),
        "magazines": f"['Monthly ' || {_pick(_WORDS, 'm')}]",
        "publisher_genres": f"[{_pick(_GENRES, 'g')}]",
        "themes": "[]::VARCHAR[]",
        "demographics": f"[{_pick(('shounen', 'shoujo', 'seinen', 'josei'), 'd')}]",
        "synopsis": f"CASE WHEN i % 4 > 0 THEN {_words(60, 'y')} END",
        "start_year": "1970 + i % 56",
        "content_hash": "md5(i::VARCHAR)",
        "primary_genre": _pick(_GENRES, "g"),
        "genres": f"[{{'genre': {_pick(_GENRES, 'g')}, 'confidence': 0.5 + (hash(i, 'c') % 50) / 100}}]",
        "summary_en": _words(30, "u"),
        "contains_spoilers": "i % 9 = 0",
        "similar_titles": "list_transform(range(10), lambda k: "
        f"{{'manga_id': 'MNG-' || printf('%08d', (i + 1 + k * 7919) % {titles}), 'score': 0.9 - k / 20, "
        "'reason': 'both tell of a long journey home'})",
        "reading_level": _pick(("kids", "teen", "adult", "mature"), "l"),
        "min_age": "6 + i % 13",
        "reading_level_confidence": "0.4 + (hash(i, 'rc') % 60) / 100",
    }


def write_tables(folder: Path, titles: int, buckets: int) -> None:
    """enriched_catalog, outcomes and a night of requests, in the shape that the pipeline gives them."""
    analyses = [each for each in packaged_analyses().of_titles.values() if not each.parts]
    published = {table.name: table for table in published_tables(analyses)}
    connection = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(folder / ".spill")})
    values = _values(titles) | {f"{each.name}_answered_at": "now()" for each in analyses}
    for at, bucket in enumerate(bucket_keys(buckets)):
        rows = f"(SELECT i FROM range({titles}) AS t(i) WHERE i % {buckets} = {at})"  # noqa: S608 (numbers)
        _write(
            connection,
            folder / f"enriched_catalog/bucket={bucket}",
            "part",
            published["enriched_catalog"].columns,
            values,
            rows,
        )
        for each in analyses:
            standing = {
                "manga_id": values["manga_id"],
                "outcome": "CASE WHEN i % 97 = 0 THEN 'failed' ELSE 'succeeded' END",
                "transient": "false",
                "decided_at": "now()",
                "dagster_run_id": "'run'",
            }
            _write(
                connection,
                folder / f"outcomes/analysis={each.name}/bucket={bucket}",
                "part",
                published["outcomes"].columns,
                standing,
                rows,
            )
            asked = standing | {
                "analysis": quoted(each.name),
                "bucket": quoted(bucket),
                "fingerprint": f"sha256(i || '{each.name}')",
                "attempt": "1",
                "attempts": "1",
                "status": "'succeeded'",
                "cost_micro_usd": "200 + hash(i, 'cost') % 900",
                "model_id": "'anthropic.claude-haiku-4-5'",
                "prompt_version": "'12345678'",
                "started_at": "now()",
                "trigger": "'schedule'",
            }
            name = f"run-{each.name}-{bucket}"
            _write(
                connection, folder / "requests/run_date=2026-11-28", name, published["requests"].columns, asked, rows
            )


def _write(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    name: str,
    columns: Iterable[Column],
    values: dict[str, str],
    rows: str,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    types = {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN", "timestamp": "TIMESTAMPTZ"}
    chosen = []
    for column in columns:
        value = values.get(column.name, "NULL")
        kind = types.get(column.type) if isinstance(column.type, str) else "VARCHAR[]" if value == "NULL" else None
        cast = f"({value})::{kind}" if kind else f"({value})"
        chosen.append(f'{cast} AS "{column.name}"')
    made = f"SELECT {', '.join(chosen)} FROM {rows} ORDER BY i"  # noqa: S608 (our own words)
    target = quoted(str(folder / f"{name}.parquet"))
    connection.execute(f"COPY ({made}) TO {target} (FORMAT parquet, COMPRESSION zstd)")
