"""What an op did ahead is taken once, and no longer counts when something is asked again."""

import pytest

from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.asking.ahead import Ahead
from manga_enrichment.pipeline.enrichment.write import WriteReport

GENRE, LEVEL = "genre_classification", "reading_level"


def test_a_report_is_taken_once_and_what_was_raised_is_raised_where_it_is_taken() -> None:
    ahead, report = Ahead(), InvokeReport(LEVEL, titles=3)
    ahead.begin([LEVEL, GENRE])
    assert ahead.take_asked(LEVEL) is None
    ahead.keep_asked({LEVEL: report, GENRE: StoreUnavailableError("away")})
    assert ahead.take_asked(LEVEL) is report
    assert ahead.take_asked(LEVEL) is None
    with pytest.raises(StoreUnavailableError, match="away"):
        ahead.take_asked(GENRE)
    assert ahead.take_asked(GENRE) is None
    assert ahead.has_begun(GENRE)
    assert not ahead.has_begun("similar_series")


def test_what_is_written_is_taken_once_and_forgotten_when_something_is_asked_again() -> None:
    ahead, reports = Ahead(), [WriteReport(LEVEL, bucket) for bucket in ("0", "1")]
    ahead.begin([LEVEL])
    for each in reports:
        ahead.keep_written(each)
    assert ahead.take_written(LEVEL, "0") is reports[0]
    assert ahead.take_written(LEVEL, "0") is None
    assert ahead.take_written(GENRE, "1") is None
    ahead.begin([GENRE])
    assert ahead.take_written(LEVEL, "1") is None
