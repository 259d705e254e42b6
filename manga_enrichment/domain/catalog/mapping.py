"""Where each of our catalog fields comes from in a source with names of its own.

Belongs here: the mapping, its JSON form and what is wrong with a bad one. Stays out: cleaning of the values
(`rows.py`) and reading the JSON file (`pipeline/catalog/source_files.py`).

    {"start_year": "year", "type": {"const": "manga"}, "synopsis": null}

reads: start_year comes from the column `year`, every title is of type manga, a column `synopsis` is not ours. A field
that is not named comes from the column of its own name.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.errors import ConfigurationError

MAPPING_SETTING = "MANGA_CATALOG_MAPPING"
FIELD_NAMES = tuple(field.name for field in fields(MangaRecord))
REQUIRED_FIELDS = ("manga_id", "title")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """columns: our field -> their column; constants: our field -> the value of every row; both in field order."""

    columns: Mapping[str, str]
    constants: Mapping[str, Any]
    explicit: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, document: object) -> "ColumnMapping":
        """Raises ConfigurationError naming the first field that is wrong."""
        if not isinstance(document, Mapping):
            raise ConfigurationError(f'{MAPPING_SETTING}: expected a JSON object such as {{"start_year": "year"}}')
        for name, source in document.items():
            _check_entry(name, source)
        columns = {name: document.get(name, name) for name in FIELD_NAMES}
        return cls(
            columns={name: source for name, source in columns.items() if isinstance(source, str)},
            constants={name: source["const"] for name, source in columns.items() if isinstance(source, Mapping)},
            explicit=frozenset(name for name, source in document.items() if isinstance(source, str)),
        )

    def check_columns(self, present: Collection[str]) -> None:
        """Raises ConfigurationError when a source with these columns lacks one that the mapping names or we require."""
        for name, column in self.columns.items():
            if column not in present and (name in self.explicit or name in REQUIRED_FIELDS):
                there = ", ".join(sorted(present)[:40]) or "none"
                raise ConfigurationError(
                    f"The catalog has no column {column!r} for the field {name!r} (columns: {there}): "
                    f"name the right one in {MAPPING_SETTING} or correct MANGA_CATALOG_URI"
                )


def _check_entry(name: object, source: object) -> None:
    if name not in FIELD_NAMES:
        known = ", ".join(FIELD_NAMES)
        raise ConfigurationError(f"{MAPPING_SETTING}: {name!r} is not a catalog field; fields are {known}")
    if source is None and name in REQUIRED_FIELDS:
        raise ConfigurationError(f"{MAPPING_SETTING}: {name!r} is required and cannot be null")
    constant = isinstance(source, Mapping) and set(source) == {"const"} and name != "manga_id"
    if not (source is None or constant or (isinstance(source, str) and source)):
        raise ConfigurationError(
            f"{MAPPING_SETTING}: {name!r} must be the name of a column, "
            f'{{"const": value}} or null, not {str(source)[:80]!r}'
        )


SAME_NAMES = ColumnMapping.from_json({})
"""The mapping of a source that uses our own names."""
