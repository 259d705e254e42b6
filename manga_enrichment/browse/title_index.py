"""One narrow row per title, by which lists are searched, filtered and sorted: a DuckDB file made from the local copy.

Belongs here: its columns and how it is made, bucket by bucket, so that a million titles take little memory. Stays out:
questions to it (`search.py`), when it is made anew (`shelf.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import duckdb

from manga_enrichment.browse.local_copy import Copy
from manga_enrichment.browse.tables import connect

INDEXED = ("enriched_catalog", "outcomes", "requests")
"""Tables that the index follows."""
BUILDING_MB = 200
_THREADS = 2
SHAPE = "1"
"""Another one makes indexes of earlier releases be made anew."""

_KATAKANA = "".join(map(chr, range(0x30A1, 0x30F7)))
_HIRAGANA = "".join(map(chr, range(0x3041, 0x3097)))
_WIDE = "".join(map(chr, range(0xFF01, 0xFF5F)))
_NARROW = "".join(map(chr, range(0x21, 0x7F))).replace("'", "''")

_FOLDED = f"strip_accents(lower(translate(said, '{_KATAKANA}{_WIDE}\u3000ー', '{_HIRAGANA}{_NARROW} ')))"
"""Width, case, kana, accents and long marks make no difference, as in `pipeline/candidates/folding.py`; in SQL, since a
million titles would take Python a minute."""

_JAPANESE = r"[\p{Hiragana}\p{Katakana}\p{Han}]"
_TITLES = """\
CREATE TABLE titles (
    manga_id VARCHAR, bucket VARCHAR, title VARCHAR, title_ja VARCHAR, title_en VARCHAR, authors VARCHAR,
    primary_genre VARCHAR, reading_level VARCHAR, min_age BIGINT, demographics VARCHAR, magazines VARCHAR,
    language VARCHAR, start_year BIGINT, confidence DOUBLE, cost_micro_usd BIGINT, answered_at TIMESTAMPTZ,
    sorted_by VARCHAR, searched VARCHAR{outcomes}
)"""
_INSERT = """\
INSERT INTO titles
SELECT
    e.manga_id, e.bucket, e.title, e.title_ja, e.title_en,
    list_transform(e.authors, lambda a: a.name).array_to_string(', '),
    e.primary_genre, e.reading_level, e.min_age,
    '|' || array_to_string(e.demographics, '|') || '|', '|' || array_to_string(e.magazines, '|') || '|',
    CASE
        WHEN e.synopsis IS NULL THEN 'none'
        WHEN regexp_matches(e.synopsis, '{japanese}') THEN 'ja'
        WHEN regexp_matches(e.synopsis, '[A-Za-z]') THEN 'Latin letters'
        ELSE 'other'
    END,
    e.start_year,
    coalesce(
        least(e.reading_level_confidence, e.genres[1].confidence), e.reading_level_confidence, e.genres[1].confidence
    ),
    coalesce(c.cost_micro_usd, 0), greatest({answered}),
    folded(e.title)[:40],
    folded(concat_ws(chr(10),
        e.title, e.title_ja, e.title_kana, e.title_en, array_to_string(e.synonyms, chr(10)),
        list_transform(e.authors, lambda a: a.name).array_to_string(chr(10)), e.manga_id)){outcomes}
FROM enriched_catalog AS e
LEFT JOIN costs AS c ON c.manga_id = e.manga_id
{joins}
WHERE e.bucket = $bucket"""
_JOIN = """\
LEFT JOIN (SELECT manga_id, outcome FROM outcomes WHERE bucket = $bucket AND analysis = '{name}') AS o_{name}
    ON o_{name}.manga_id = e.manga_id"""
_LIKES = """\
INSERT INTO likes
SELECT other.manga_id, manga_id, other.score
FROM (SELECT manga_id, unnest(similar_titles) AS other FROM enriched_catalog WHERE bucket = $bucket)"""
_FACETS = """\
CREATE TABLE facets AS
SELECT 'genre' AS facet, primary_genre AS value, count(*) AS titles
    FROM titles WHERE primary_genre IS NOT NULL GROUP BY 2
UNION ALL SELECT 'level', reading_level, count(*) FROM titles WHERE reading_level IS NOT NULL GROUP BY 2
UNION ALL SELECT 'language', language, count(*) FROM titles GROUP BY 2
UNION ALL SELECT 'demographic', value, count(*)
    FROM (SELECT unnest(string_split(trim(demographics, '|'), '|')) AS value FROM titles) WHERE value <> '' GROUP BY 2
UNION ALL SELECT 'magazine', value, count(*)
    FROM (SELECT unnest(string_split(trim(magazines, '|'), '|')) AS value FROM titles) WHERE value <> '' GROUP BY 2"""


def index_version(copy: Copy, analyses: Sequence[str]) -> str:
    """analyses: names of the single ones. Another version is another index."""
    return f"{SHAPE}-{copy.version(INDEXED)}-{'-'.join(analyses)}"[:100]


def build_index(path: Path, views: Sequence[str], analyses: Sequence[str]) -> None:
    """Write the index file whole, or leave none. views: SQL that makes the published tables (`tables.py`).

    DuckDB takes at most BUILDING_MB, and the disk beside `path`.
    """
    building, spill = path.with_suffix(f".{uuid4().hex}.building"), path.with_suffix(".spill")
    try:
        with connect(memory_mb=BUILDING_MB, threads=_THREADS, database=str(building), spill=spill) as connection:
            _build(connection, views, analyses)
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def _build(connection: duckdb.DuckDBPyConnection, views: Sequence[str], analyses: Sequence[str]) -> None:
    connection.execute(f"CREATE MACRO folded(said) AS {_FOLDED}")
    connection.execute("CREATE SCHEMA sources; USE sources")
    for statement in views:
        connection.execute(statement)
    connection.execute("USE main; SET search_path = 'main,sources'")
    _fill(connection, analyses)
    connection.execute("USE main; DROP SCHEMA sources CASCADE; DROP TABLE costs; CHECKPOINT")


def _fill(connection: duckdb.DuckDBPyConnection, analyses: Sequence[str]) -> None:
    connection.execute(
        "CREATE TABLE costs AS SELECT manga_id, sum(cost_micro_usd)::BIGINT AS cost_micro_usd FROM requests GROUP BY 1"
    )
    connection.execute(_TITLES.format(outcomes="".join(f", outcome_{name} VARCHAR" for name in analyses)))
    connection.execute("CREATE TABLE likes (other_id VARCHAR, manga_id VARCHAR, score DOUBLE)")
    insert = _INSERT.format(
        japanese=_JAPANESE,
        answered=", ".join(f"e.{name}_answered_at" for name in analyses),
        outcomes="".join(f", o_{name}.outcome" for name in analyses),
        joins="\n".join(_JOIN.format(name=name) for name in analyses),
    )
    for (bucket,) in connection.execute("SELECT DISTINCT bucket FROM enriched_catalog ORDER BY 1").fetchall():
        connection.execute(insert, {"bucket": bucket})
        connection.execute(_LIKES, {"bucket": bucket})
    connection.execute(_FACETS)
