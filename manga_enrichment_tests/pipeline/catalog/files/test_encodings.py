"""Files in other encodings and with other delimiters, compressed or not."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from manga_enrichment.domain.catalog.rows import RejectedRow
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.encodings import detect_encoding
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.source_files import read_rows

WORDS = (
    "港の灯",
    "進む船",
    "月夜の猫",
    "青い鳥居",
    "雪国の狐",
    "夏の終わり",
    "歩く森",
    "星を数える",
    "竜と少女",
    "夜の図書館",
)
TITLES = [f"{first}と{second}" for first in WORDS for second in WORDS[:4]]
TEXT = "manga_id,title\n" + "".join(f"MNG-{number:08},{title}\n" for number, title in enumerate(TITLES))


def titles(path: Path, **reading: Any) -> list[str | None]:
    """Of each row; None for one that is rejected."""
    rows = read_rows(path, Reading(**reading))
    return [
        row.values["title"] if isinstance(row, SourceRow) and isinstance(row.values, dict) else None for row in rows
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
def test_the_encoding_is_found_out_and_said(tmp_path: Path, encoding: str, packing: str) -> None:
    text = TEXT.encode(encoding)
    pack = {"": bytes, ".gz": gzip.compress, ".zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True)}
    path = tmp_path / f"c.csv{packing}"
    path.write_bytes(pack[packing](text))
    said: list[str] = []
    assert titles(path, say=said.append) == TITLES
    assert len(said) == (0 if encoding.startswith("utf-8") else 1)


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp"])
def test_json_lines_too(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes("".join(f'{{"title": "{title}"}}\n' for title in TITLES).encode(encoding))
    assert titles(path) == TITLES


def test_a_sample_that_ends_inside_a_character_is_judged_by_its_whole_lines() -> None:
    text = TEXT.encode("cp932")
    ends = [end for end in range(len(text) - 40, len(text)) if not _decodes(text[:end])]
    assert ends
    assert {detect_encoding(text[:end]) for end in ends} == {"cp932"}


def _decodes(text: bytes) -> bool:
    try:
        text.decode("cp932")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Le garçon d’à côté\nL’été à Nîmes\nDéjà vu, café crème\nForêt\n" * 3, "cp1252"),
        ("海边的男孩与月亮\n夏天的最后一天\n图书馆之夜\n星星与少女\n" * 5, "gb18030"),
        ("바다의 소년\n여름의 끝\n밤의 도서관\n별을 세다\n" * 5, "cp949"),
        ("Мальчик у моря\nКонец лета\nНочная библиотека\n" * 5, "cp1251"),
    ],
)
def test_other_languages_are_told_apart_too(text: str, encoding: str) -> None:
    found = detect_encoding(text.encode(encoding))
    assert text.encode(encoding).decode(found) == text


def test_a_few_bad_bytes_do_not_make_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(TEXT.encode() + b"MNG-90000000,\xff\xfe\nMNG-90000001,\x82\n")
    rows = list(read_rows(path))
    assert [isinstance(row, RejectedRow) for row in rows] == [False] * len(TITLES) + [True, True]


def test_a_setting_overrides_what_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(TEXT.encode("cp932"))
    assert titles(path, encoding="utf-8") == [None] * len(TITLES)
    assert titles(path, encoding="Shift_JIS") == TITLES
    with pytest.raises(ConfigurationError, match="MANGA_CATALOG_ENCODING=klingon is no encoding"):
        titles(path, encoding="klingon")


def test_bytes_that_are_none_in_the_encoding_reject_their_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(TEXT.encode("cp932") + b"MNG-90000000,\x81\x01\n")
    assert titles(path) == [*TITLES, None]


@pytest.mark.parametrize(
    ("name", "mark"), [("c.csv", ";"), ("c.csv", "\t"), ("c.csv", "|"), ("c.tsv", "\t"), ("c.csv", ",")]
)
def test_the_delimiter_is_found_out(tmp_path: Path, name: str, mark: str) -> None:
    path = tmp_path / name
    path.write_text(f'manga_id{mark}title{mark}"note, long"\nA{mark}"x{mark}y, z"{mark}\n')
    (row,) = read_rows(path)
    assert isinstance(row, SourceRow)
    assert row.values == {"manga_id": "A", "title": f"x{mark}y, z", "note, long": ""}


def test_the_delimiter_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("manga_id;title;a,b,c,d,e\nA;x;1\n")
    assert titles(path, delimiter=";") == ["x"]


def test_all_frames_of_a_zstandard_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.ndjson.zst"
    codec = pa.Codec("zstd")
    path.write_bytes(
        b"".join(codec.compress(f'{{"title": "{number}"}}\n'.encode(), asbytes=True) for number in range(5))
    )
    assert titles(path) == ["0", "1", "2", "3", "4"]


def test_all_members_of_a_gzip_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.ndjson.gz"
    path.write_bytes(b"".join(gzip.compress(f'{{"title": "{number}"}}\n'.encode()) for number in range(5)))
    assert titles(path) == ["0", "1", "2", "3", "4"]
