"""What published files write into one field, each spelling as it was found, and the value that it is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.catalog.warnings import RowWarning

AT = datetime(2026, 5, 20, 21, 34, 2, tzinfo=UTC)
SPELLINGS: list[tuple[str, Any, Any, list[str]]] = [
    ("publisher_genres", "['Action', 'Drama']", ("Action", "Drama"), []),
    ("publisher_genres", "Action,Drama", ("Action", "Drama"), ["split"]),
    ("publisher_genres", "Mystery,Drama,Seinen", ("Mystery", "Drama", "Seinen"), ["split"]),
    ("publisher_genres", ["nil", "-", "Unknown", "N/A", "None", "Action"], ("Action",), ["null_word"] * 5),
    ("authors", ["nil", "-", "Unknown", "N/A", "None"], (), ["null_word"] * 5),
    ("title", "Unknown", "Unknown", []),
    (
        "authors",
        "[{'id': 1, 'first_name': 'Ann', 'last_name': 'Lee', 'role': 'Art'}]",
        (Author("Ann Lee", "Art"),),
        [],
    ),
    (
        "authors",
        "Yamada, Hanako (Story), Suzuki, Ichiro (Art)",
        (Author("Yamada, Hanako", "Story"), Author("Suzuki, Ichiro", "Art")),
        [],
    ),
    ("authors", "Qing Shan (青山漫画)", (Author("Qing Shan (青山漫画)"),), []),
    ("authors", "山田花子／著", (Author("山田花子", "著"),), []),
    ("authors", "[作]A　／　[画]B", (Author("A", "作"), Author("B", "画")), []),
    ("authors", "原作：山田花子 漫画：鈴木一郎", (Author("山田花子", "原作"), Author("鈴木一郎", "漫画")), []),
    ("authors", [{"name": {"full": "Ann"}}], (Author("Ann"),), []),
    ("authors", [{"role": "Art", "node": {"name": {"full": "Ann"}}}], (Author("Ann", "Art"),), []),
    ("volumes", "全37巻", 37, []),
    ("start_year", "1992 〜 2008", 1992, ["reduced"]),
    ("start_year", "20130906", 2013, []),
    ("start_year", "2010-01", 2010, []),
    ("start_year", "Aug 1989", 1989, []),
    ("start_year", "Aug  25, 1989 to ?", 1989, []),
    ("start_year", "１９９７年", 1997, []),
    ("updated_at", 20190722, datetime(2019, 7, 22, tzinfo=UTC), []),
    ("updated_at", "1779312842", AT, []),
    ("updated_at", "2026-05-20 21:34:02 UTC", AT, []),
    ("synonyms", [{"ja": "港"}, {"en": "Harbor"}], ("港", "Harbor"), []),
    ("synonyms", [{"type": "Japanese", "title": "港"}], ("港",), []),
    (
        "synopsis",
        "A boy.\n\n(Source: X)\n\nIncluded one-shot: Sea",
        "A boy.\n\nIncluded one-shot: Sea",
        ["attribution"],
    ),
    ("synopsis", "He is ~!dead!~ gone.", "He is gone.", ["spoiler"]),
    ("synopsis", "He is [spoiler]dead[/spoiler] gone.", "He is gone.", ["spoiler"]),
    ("synopsis", "See [this](https://example.com/a) now.", "See this now.", ["cleaned"]),
    ("synopsis", "<ruby>灯籠<rt>とうろう</rt></ruby>の夜", "灯籠の夜", ["cleaned"]),
    ("title", "👩\u200d👧 Days", "👩\u200d👧 Days", []),
    ("title", "می\u200cخواهم", "می\u200cخواهم", []),
    ("title", "क्\u200dष", "क्\u200dष", []),
    ("source_id", 12345678901234567890123, "12345678901234567890123", []),
    ("source_id", 123.0, "123", []),
    ("source_id", 1.2345678901234568e22, None, ["invalid"]),
]


@pytest.mark.parametrize(("field", "raw", "value", "told"), SPELLINGS, ids=[f"{row[0]}-{row[1]}" for row in SPELLINGS])
def test_a_spelling_is_the_value_that_a_reader_takes_it_for(field: str, raw: Any, value: Any, told: list[str]) -> None:
    warnings: list[RowWarning] = []
    record = clean_row({"manga_id": "MNG-ABCD1234", "title": "Harbor", field: raw}, 1, warn=warnings.append)
    assert isinstance(record, MangaRecord)
    assert getattr(record, field) == value
    assert [(warning.field, warning.reason.value) for warning in warnings] == [(field, reason) for reason in told]
