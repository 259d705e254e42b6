"""Cleaning may grow stricter; titles that need none keep what prompts show of them, so that none is paid again.

The digests were made by the code of 0f0178a, which had another rule for text, over every row of the two catalogs.
"""

import hashlib
import json
from pathlib import Path

import pytest

from manga_enrichment.domain.catalog.mapping import FIELD_NAMES, SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.prompts.prompt import prompt_fields
from manga_enrichment.local.dagster_home import REPOSITORY
from manga_enrichment.pipeline.catalog.source_files import SourceRow, read_rows

SAMPLE = REPOSITORY / "data" / "catalog" / "sample.jsonl"
MADB = REPOSITORY.parent / "shared" / "catalog" / "madb_serializations.parquet"
MADB_MAPPING = REPOSITORY / "data" / "catalog" / "madb_mapping.json"

SAMPLE_DIGEST = "762b78571026ee96045cd93861c8d744de4df6440a2dd841adde05c15365aaf7"  # pragma: allowlist secret
MADB_DIGEST = "7dbb5527830baab27c420f8b1d628d8f966b6cb67b08dac3166f006296e6818e"  # pragma: allowlist secret


def digest(catalog: Path, mapping: ColumnMapping) -> tuple[int, str]:
    """Good rows, and sha256 of all that a prompt of any analysis could show of them; a fingerprint knows no more."""
    count, shown = 0, hashlib.sha256()
    for row in read_rows(catalog, mapping):
        title = clean_row(row.values, row.number, mapping) if isinstance(row, SourceRow) else row
        if isinstance(title, MangaRecord):
            count += 1
            line = json.dumps([title.manga_id, prompt_fields(title, FIELD_NAMES)], sort_keys=True)
            shown.update(f"{line}\n".encode())
    return count, shown.hexdigest()


def test_every_title_of_the_sample_is_shown_as_before() -> None:
    assert digest(SAMPLE, SAME_NAMES) == (501, SAMPLE_DIGEST)


@pytest.mark.skipif(not MADB.exists(), reason="the catalog derived from the Media Arts Database is not here")
def test_every_title_of_a_real_catalog_is_shown_as_before() -> None:
    mapping = ColumnMapping.from_json(json.loads(MADB_MAPPING.read_text("utf-8")))
    assert digest(MADB, mapping) == (30_023, MADB_DIGEST)
