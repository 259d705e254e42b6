"""Columns of the tables `catalog`, `catalog_rejects` and `catalog_warnings`, documented for analysts.

The fields of `MangaRecord` come first, in its order; a test holds the two together.
"""

from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf

_TEXTS = ListOf("string")

CATALOG_COLUMNS = (
    Column("manga_id", "string", "store id of the title, MNG- and 8 characters; unique", nullable=False),
    Column("title", "string", "main title, as the source gives it", nullable=False),
    Column("title_ja", "string", "title in Japanese script"),
    Column("title_kana", "string", "reading of the title in kana"),
    Column("title_en", "string", "title in English"),
    Column("synonyms", _TEXTS, "other titles; empty list when there are none", nullable=False),
    Column(
        "authors",
        ListOf(StructOf((("name", "string"), ("role", "string")))),
        "people and what they did (role null when unknown), in the order of the source",
        nullable=False,
    ),
    Column("publisher", "string", "publisher"),
    Column("magazines", _TEXTS, "magazines the title ran in", nullable=False),
    Column("isbn13", "string", "ISBN of the first volume, 13 digits, check digit verified; null when invalid"),
    Column("publisher_genres", _TEXTS, "genres as the publisher gives them", nullable=False),
    Column("themes", _TEXTS, "themes as the source gives them", nullable=False),
    Column("demographics", _TEXTS, "intended readers, for example shounen", nullable=False),
    Column("content_rating", "string", "rating by the publisher or store, in its own words"),
    Column("type", "string", "kind of work, for example manga or one_shot"),
    Column("synopsis", "string", "description without attribution tail; paragraphs separated by line breaks"),
    Column("volumes", "int64", "volumes published"),
    Column("chapters", "int64", "chapters published"),
    Column("status", "string", "state of publication, in the source's words"),
    Column("start_year", "int64", "year in which publication began"),
    Column("source", "string", "where the row comes from"),
    Column("source_id", "string", "id of the title in that source"),
    Column("updated_at", "timestamp", "last change in the source (UTC); decides between rows of one manga_id"),
    Column(
        "content_hash", "string", "sha256 over all that prompts show of the title; changes with them", nullable=False
    ),
)

REJECT_COLUMNS = (
    Column(
        "row_number",
        "int64",
        "row of the source, counted from 1 without a CSV header; the line of a JSONL file",
        nullable=False,
    ),
    Column("manga_id", "string", "id of the title, null when it is missing or invalid"),
    Column("reason", "string", "why the row is not in the catalog, for example missing_title", nullable=False),
    Column("raw_json", "string", "the row as JSON; its text where it could not be parsed", nullable=False),
)

WARNING_COLUMNS = (
    Column("row_number", "int64", "row of the source, counted as in `catalog_rejects`", nullable=False),
    Column("manga_id", "string", "id of the title", nullable=False),
    Column("field", "string", "column of `catalog` the value was for", nullable=False),
    Column("reason", "string", "what became of it: docs/catalog.md lists them", nullable=False),
    Column(
        "raw_value",
        "string",
        "the value as text or JSON; of more than 1,000 characters its beginning and end",
        nullable=False,
    ),
)
