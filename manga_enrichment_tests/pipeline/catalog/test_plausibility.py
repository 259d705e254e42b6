"""What cannot be the catalog is refused with its likely cause."""

import pytest

from manga_enrichment.domain.catalog.rows import RejectReason
from manga_enrichment.pipeline.catalog.plausibility import (
    FEW_ROWS,
    ImplausibleCatalogError,
    ImportCounts,
    PlausibleLimits,
    check_plausible,
)

LIMITS = PlausibleLimits(rejected=0.1, lost=0.2)


def counts(rows: int = 1000, titles: int = 1000, before: int = 1000, **rejected: int) -> ImportCounts:
    return ImportCounts(rows, rejected, titles, before)


@pytest.mark.parametrize(
    "fine",
    [
        counts(before=0),
        counts(titles=800),
        counts(titles=900, missing_title=100),
        counts(rows=3000, duplicate_of_newer_row=2000),
        counts(rows=12, titles=2, before=12, not_utf8=FEW_ROWS),
        counts(titles=5000),
    ],
)
def test_what_stays_within_the_limits_or_is_about_a_few_rows_passes(fine: ImportCounts) -> None:
    check_plausible(fine, LIMITS)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (
            counts(40, 2, 40, not_utf8=38),
            "38 of its 40 rows .*not_utf8 38.*another encoding.*MAX_REJECTED=1",
        ),
        (counts(40, 2, 0, not_utf8=38), "another encoding"),
        (
            counts(1000, 899, 0, missing_title=90, wrong_column_count=11),
            "missing_title 90, wrong_.*_MAPPING",
        ),
        (counts(1000, 0, 1000, not_an_object=999, duplicate_of_newer_row=1), "elsewhere in the file"),
        (counts(799, 799, 1000), "has 799 titles, where the catalog has 1000.*cut off.*MANGA_CATALOG_MAX_LOST=1"),
    ],
)
def test_what_passes_a_limit_is_refused_with_its_likely_cause(broken: ImportCounts, says: str) -> None:
    with pytest.raises(ImplausibleCatalogError, match=says) as caught:
        check_plausible(broken, LIMITS)
    assert caught.value.counts == broken


def test_limits_of_one_let_everything_pass() -> None:
    check_plausible(counts(1000, 1, 100_000, not_utf8=999), PlausibleLimits(1, 1))


def test_every_reason_has_a_likely_cause() -> None:
    for reason in set(RejectReason) - {RejectReason.DUPLICATE_OF_NEWER_ROW}:
        with pytest.raises(ImplausibleCatalogError, match=r"Likely: \w"):
            check_plausible(counts(100, 50, 0, **{reason.value: 50}), LIMITS)
