"""JSON documents, Parquet, spreadsheets, ONIX."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.source_files import read_rows

ROWS = [{"title": "港", "id": 12345678901234567890123, "tags": [{"name": "a"}]}, {"title": "x", "score": 1.5}]


def values(path: Path, mapping: dict[str, Any] | None = None) -> list[Any]:
    rows = list(read_rows(path, Reading(ColumnMapping.from_json(mapping or {}))))
    assert [row.number for row in rows if isinstance(row, SourceRow)] == list(range(1, len(rows) + 1))
    return [row.values for row in rows if isinstance(row, SourceRow)]


@pytest.mark.parametrize(
    ("root", "document"), [("", ROWS), ("data", {"data": ROWS}), ("a.items", {"n": [1], "a": {"x": 1, "items": ROWS}})]
)
def test_a_json_document_is_read_from_its_root_path(tmp_path: Path, root: str, document: object) -> None:
    path = tmp_path / "c.json"
    path.write_text("\ufeff" + json.dumps(document))
    assert values(path, {"$rows": root}) == ROWS


def test_text_and_numbers_of_parquet_survive(tmp_path: Path) -> None:
    table = pa.table(
        {
            "manga_id": pa.array([b"A", None], pa.binary()),
            "title": pa.array(["港".encode(), b"\xff"], pa.large_binary()),
            "id": pa.array([13.0, None]),
        }
    )
    packed = io.BytesIO()
    pq.write_table(table, packed)
    for name, data in (("c.parquet", packed.getvalue()), ("c.parquet.gz", gzip.compress(packed.getvalue()))):
        (tmp_path / name).write_bytes(data)
        first, second = values(tmp_path / name)
        assert first == {"manga_id": "A", "title": "港", "id": 13.0}
        assert second == {"manga_id": None, "title": "\\xff", "id": None}


SHEET = """<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<dimension ref="A1:A1"/><sheetData>{rows}</sheetData></worksheet>"""
PARTS = {
    "[Content_Types].xml": """<?xml version="1.0"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>""",
    "_rels/.rels": """<?xml version="1.0"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>
</Relationships>""",
    "xl/workbook.xml": """<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
<sheets><sheet name="Titles" sheetId="1" r:id="r1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": """<?xml version="1.0"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>
</Relationships>""",
}


def write_sheet(path: Path, rows: list[list[str | int]]) -> None:
    """A workbook whose sheet states a wrong dimension."""

    def cell(at: str, value: str | int) -> str:
        if isinstance(value, int):
            return f'<c r="{at}"><v>{value}</v></c>'
        return f'<c r="{at}" t="inlineStr"><is><t>{value}</t></is></c>'

    lines = [
        f'<row r="{number}">{"".join(cell(f"{chr(65 + at)}{number}", value) for at, value in enumerate(row))}</row>'
        for number, row in enumerate(rows, 1)
    ]
    with zipfile.ZipFile(path, "w") as book:
        for name, text in PARTS.items():
            book.writestr(name, text)
        book.writestr("xl/worksheets/sheet1.xml", SHEET.format(rows="".join(lines)))


def test_a_spreadsheet_gives_whole_numbers_and_all_rows(tmp_path: Path) -> None:
    write_sheet(
        tmp_path / "c.xlsx",
        [["manga_id", "title", "isbn13"], *([f"M{number}", "港", 9784088725093] for number in range(100))],
    )
    found = values(tmp_path / "c.xlsx")
    assert found == [{"manga_id": f"M{number}", "title": "港", "isbn13": 9784088725093} for number in range(100)]
    assert isinstance(found[0]["isbn13"], int)


def test_a_spreadsheet_without_the_columns_is_refused(tmp_path: Path) -> None:
    write_sheet(tmp_path / "c.xlsx", [["id", "title"], ["x", "y"]])
    with pytest.raises(ConfigurationError, match="no column 'manga_id'"):
        values(tmp_path / "c.xlsx")


REFERENCE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE ONIXMessage SYSTEM "http://www.editeur.org/onix/3.0/reference/onix.dtd">
<ONIXMessage release="3.0" xmlns="http://ns.editeur.org/onix/3.0/reference"><Header><Sender/></Header>
<Product><RecordReference>r1</RecordReference><DescriptiveDetail>
<Contributor><ContributorRole>A01</ContributorRole><PersonName>Ann&nbsp;Lee &amp; Co</PersonName></Contributor>
<Contributor><ContributorRole>A12</ContributorRole><PersonName>Bo</PersonName></Contributor>
<TitleDetail><TitleElement><TitleText language="eng">Harbor</TitleText></TitleElement></TitleDetail></DescriptiveDetail>
<CollateralDetail><TextContent><Text textformat="05"><p>A <b>ship</b>.</p><p>Two.</p></Text></TextContent>
</CollateralDetail></Product>
<Product><RecordReference>r2</RecordReference></Product></ONIXMessage>"""
SHORT = {
    "Product": "product", "RecordReference": "a001", "DescriptiveDetail": "descriptivedetail", "Text": "d104",
    "Contributor": "contributor", "ContributorRole": "b035", "PersonName": "b036", "TitleDetail": "titledetail",
    "TitleElement": "titleelement", "TitleText": "b203", "CollateralDetail": "collateraldetail",
    "TextContent": "textcontent",
}  # fmt: skip


def shortened(text: str) -> str:
    for name, tag in SHORT.items():
        text = text.replace(f"<{name}>", f"<{tag}>").replace(f"<{name} ", f"<{tag} ").replace(f"</{name}>", f"</{tag}>")
    return text


@pytest.mark.parametrize("text", [REFERENCE, shortened(REFERENCE), REFERENCE.replace("<!DOCTYPE", "<!-- <!DOCTYPE", 1)
                                  .replace('onix.dtd">', 'onix.dtd"> -->')])  # fmt: skip
def test_products_of_onix_are_objects_by_reference_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.xml").write_text(text)
    first, second = values(tmp_path / "c.xml")
    detail = first["DescriptiveDetail"]
    assert detail["Contributor"] == [
        {"ContributorRole": "A01", "PersonName": "Ann\xa0Lee & Co"},
        {"ContributorRole": "A12", "PersonName": "Bo"},
    ]
    assert detail["TitleDetail"]["TitleElement"]["TitleText"] == {"@language": "eng", "value": "Harbor"}
    assert "ship" in first["CollateralDetail"]["TextContent"]["Text"]
    assert second == {"RecordReference": "r2"}


def test_a_message_that_is_cut_off_is_refused_and_so_is_an_entity_without_end(tmp_path: Path) -> None:
    (tmp_path / "c.xml").write_text(REFERENCE[:-40])
    with pytest.raises(ConfigurationError, match="no whole XML"):
        values(tmp_path / "c.xml")
    laughs = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 12))
    (tmp_path / "c.xml").write_text(
        f'<!DOCTYPE x [<!ENTITY l0 "{"ha" * 100}">{laughs}]><x><Product><a>&l11;</a></Product></x>'
    )
    with pytest.raises(ConfigurationError, match="no whole XML"):
        values(tmp_path / "c.xml")


def test_an_external_entity_is_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "c.xml").write_text(
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]><x><Product><a>&e;</a><b>y</b></Product></x>'
    )
    try:
        found = json.dumps(values(tmp_path / "c.xml"))
    except ConfigurationError as error:
        found = str(error)
    assert "secret" not in found.replace(str(tmp_path), "").replace("/secret", "")
