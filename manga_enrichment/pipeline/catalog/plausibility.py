"""May this source replace the catalog? Asked before anything is stored.

Belongs here: the limits, what is likely to be wrong, and the sentence that says so. Stays out: counting
(`importer.py`), the limits' defaults (`manga_enrichment/settings/variables.py`).

A file in another encoding, one that was cut off and a mapping of other columns all read without an error and leave a
fraction of the titles. Their answers would be gone from the tables by the morning.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from manga_enrichment.domain.catalog.rows import RejectReason
from manga_enrichment.domain.errors import ConfigurationError

REJECTED_SETTING = "MANGA_CATALOG_MAX_REJECTED"
LOST_SETTING = "MANGA_CATALOG_MAX_LOST"
FEW_ROWS = 10
"""So many rows may be rejected or gone whatever their share: of a handful of titles a share means little."""

_ENCODING = "its text is in another encoding than it was read in; set MANGA_CATALOG_ENCODING"
_CUT_OFF = "the file was cut off or damaged on its way, or has another delimiter"
_MAPPING = "the columns are not those that MANGA_CATALOG_MAPPING names"
_CAUSES = {
    RejectReason.NOT_UTF8: _ENCODING,
    RejectReason.INVALID_CSV: _CUT_OFF,
    RejectReason.INVALID_JSON: _CUT_OFF,
    RejectReason.ROW_TOO_LONG: _CUT_OFF,
    RejectReason.WRONG_COLUMN_COUNT: _CUT_OFF,
    RejectReason.UNREADABLE_VALUE: _CUT_OFF,
    RejectReason.NOT_AN_OBJECT: "the rows lie elsewhere in the file; name the path as $rows in MANGA_CATALOG_MAPPING",
    RejectReason.MISSING_MANGA_ID: _MAPPING,
    RejectReason.INVALID_MANGA_ID: _MAPPING,
    RejectReason.MISSING_TITLE: _MAPPING,
    RejectReason.INVALID_TITLE: _MAPPING,
}


@dataclass(frozen=True, slots=True)
class PlausibleLimits:
    """rejected: most of a source's rows that may be rejected; lost: most titles that may be gone; shares of 0 to 1."""

    rejected: float = 0.1
    lost: float = 0.1


DEFAULT_PLAUSIBLE = PlausibleLimits()


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What was read, before it is stored. titles_before: 0 without a catalog; older rows of a title are no rejects."""

    rows_read: int
    rejected: Mapping[str, int]
    titles: int
    titles_before: int

    @property
    def bad_rows(self) -> int:
        return sum(count for reason, count in self.rejected.items() if reason != RejectReason.DUPLICATE_OF_NEWER_ROW)


class ImplausibleCatalogError(ConfigurationError):
    """The source was read and nothing of it stored."""

    def __init__(self, message: str, counts: ImportCounts) -> None:
        super().__init__(message)
        self.counts = counts


def check_plausible(counts: ImportCounts, limits: PlausibleLimits) -> None:
    """Raises ImplausibleCatalogError with what was found, the likely cause, and the switch to go on all the same."""
    lost = max(counts.titles_before - counts.titles, 0)
    if counts.bad_rows > max(FEW_ROWS, limits.rejected * counts.rows_read):
        found = f"{counts.bad_rows} of its {counts.rows_read} rows are no titles ({_reasons(counts.rejected)})"
        setting = REJECTED_SETTING
    elif lost > max(FEW_ROWS, limits.lost * counts.titles_before):
        found = f"it has {counts.titles} titles, where the catalog has {counts.titles_before}"
        setting = LOST_SETTING
    else:
        return
    raise ImplausibleCatalogError(
        f"The source was refused and the catalog left as it is: {found}. Likely: {likely_cause(counts)}. "
        f"`manga-enrichment catalog check` shows the rows. If it is right, set {setting}=1 for one import",
        counts,
    )


def _reasons(rejected: Mapping[str, int]) -> str:
    bad = {reason: count for reason, count in rejected.items() if reason != RejectReason.DUPLICATE_OF_NEWER_ROW}
    return ", ".join(f"{reason} {count}" for reason, count in sorted(bad.items(), key=lambda item: -item[1]))


def likely_cause(counts: ImportCounts) -> str:
    """In a few words, from what most rows were rejected for."""
    if counts.titles and counts.bad_rows <= FEW_ROWS:
        return "the file was cut off, or is a part of the catalog"
    reason = max(
        (reason for reason in counts.rejected if reason in _CAUSES), key=lambda each: counts.rejected[each], default=""
    )
    return _CAUSES[RejectReason(reason)] if reason else "the file was cut off, or is another"
