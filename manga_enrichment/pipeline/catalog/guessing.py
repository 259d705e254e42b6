"""A mapping for a file that nobody has described yet.

Belongs here: trying our own names and the presets on the file's first rows, and pairing names that mean the same.
Stays out: what the mapping then does (`domain/catalog/mapping.py`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from manga_enrichment.domain.catalog.mapping import FIELD_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.records import MANGA_ID, MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.json_document import lists_of
from manga_enrichment.pipeline.catalog.files.opening import kind_of
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.source_files import load_preset, preset_names, read_rows

_ROWS = 200
_DEEPEST = 4
_NAMES = {
    "title": "title name titleromaji romaji maintitle canonicaltitle タイトル 作品名 書名 題名",
    "title_ja": "titleja titlejapanese japanesetitle titlenative native japanese ja jajp",
    "title_kana": "titlekana kana yomi タイトルヨミ タイトルよみ ヨミ よみ 読み",
    "title_en": "titleen titleenglish englishtitle english en",
    "synonyms": "synonyms titlesynonyms alttitles alternativetitles aliases othertitles 別名",
    "authors": "authors author creators creator artists writers mangaka 著者 作者 著者名 作家",
    "publisher": "publisher publishers publishername 出版社 版元 発行所",
    "magazines": "magazines magazine serializations serialization 掲載誌 雑誌",
    "isbn13": "isbn13 isbn isbn10",
    "publisher_genres": "publishergenres genres genre categories category ジャンル",
    "themes": "themes theme tags keywords テーマ タグ",
    "demographics": "demographics demographic publicationdemographic 対象",
    "content_rating": "contentrating agerating ageratingguide",
    "type": "type mediatype format 種別",
    "synopsis": "synopsis description summary abstract plot overview あらすじ 内容紹介 説明",
    "volumes": "volumes numvolumes volumecount 巻数 全巻数",
    "chapters": "chapters numchapters chaptercount 話数",
    "status": "status publicationstatus state 状態",
    "start_year": "startyear year releaseyear startdate published publicationdate pubdate 開始年 発売年 発行年 年",
    "updated_at": "updatedat updated lastmodified modified modifiedat datemodified 更新日",
    "source_id": "sourceid id mangaid malid uuid identifier code slug 管理番号 番号",
}
_FIELD_OF = {name: (field, rank) for field, names in _NAMES.items() for rank, name in enumerate(names.split())}


def guess_mapping(paths: Sequence[Path], reading: Reading) -> tuple[dict[str, Any], str]:
    """(the mapping as JSON, what it is). Raises ConfigurationError where nothing yields a title."""
    presets = {f"the preset {name}: set MANGA_CATALOG_PRESET={name}": load_preset(name) for name in preset_names()}
    by_names = _by_names(paths[0], reading)
    tried = {"our own names": {}, **({} if "$only" not in by_names else presets), "names that mean the same": by_names}
    worth = {name: _worth(paths[0], reading, document) for name, document in tried.items()}
    best = max(worth, key=worth.__getitem__)
    if not worth[best]:
        raise ConfigurationError(f"No mapping can be guessed for {paths[0].name}: no column looks like a title")
    return tried[best], best


def _worth(path: Path, reading: Reading, document: Mapping[str, Any]) -> int:
    """How many values of titles the first rows have with this mapping."""
    try:
        mapping = ColumnMapping.from_json({}, document)
        rows = _first(path, replace(reading, mapping=mapping))
        records = [clean_row(row.values, row.number, mapping) for row in rows]
    except ConfigurationError:
        return 0
    titles = [record for record in records if isinstance(record, MangaRecord)]
    return sum(bool(getattr(title, name)) for title in titles for name in FIELD_NAMES)


def _first(path: Path, reading: Reading) -> Iterator[SourceRow]:
    rows = islice(read_rows(path, replace(reading, say=lambda _line: None)), _ROWS)
    return (row for row in rows if isinstance(row, SourceRow))


def _by_names(path: Path, reading: Reading) -> dict[str, Any]:
    """The shallowest and most telling path for each field."""
    document: dict[str, Any] = {"$only": True}
    if kind_of(path) == ".json" and (roots := lists_of(path, reading)) and roots[0]:
        document["$rows"] = roots[0]
    rows = [row.values for row in _first(path, replace(reading, mapping=_permissive(document)))]
    found: dict[str, tuple[int, int, str]] = {}
    for where in dict.fromkeys(path for row in rows for path in _paths(row)):
        name = re.sub(r"[\W_]", "", where.rpartition(".")[2].lower())
        if name in _FIELD_OF:
            field, rank = _FIELD_OF[name]
            found[field] = min(found.get(field, (99, 99, "")), (where.count("."), rank, where))
    own_id = next((where for row in rows[:1] for where in _paths(row) if _is_our_id(row, where)), None)
    paths = {field: found[field][2] for field in _NAMES if field in found}
    if own_id is not None:
        # A file of ours, or nearly: what has our name keeps it.
        return {"manga_id": own_id, **{field: where for field, where in paths.items() if where not in FIELD_NAMES}}
    source_id = paths.get("source_id") or paths.get("isbn13") or paths.get("title", "id")
    source = path.name.partition(".")[0]
    return {**document, "manga_id": {"id_from": {"source": source, "id": source_id}}, **paths}


def _permissive(document: Mapping[str, Any]) -> ColumnMapping:
    return ColumnMapping({}, {}, {}, str(document.get("$rows", "")), "")


def _paths(row: object, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Paths to all values of a row; a list is one."""
    if isinstance(row, dict) and depth < _DEEPEST:
        for key, value in row.items():
            name = f'"{key}"' if set(key) & set('.[]"') else key
            yield from _paths(value, f"{prefix}.{name}" if prefix else name, depth + 1)
    elif prefix:
        yield prefix


def _is_our_id(row: object, where: str) -> bool:
    value = row.get(where) if isinstance(row, dict) else None
    return isinstance(value, str) and MANGA_ID.match(value) is not None
