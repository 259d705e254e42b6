"""What calls taught is found by the version that learnt it, by the next one, and after a rollback by the one before."""

from dataclasses import asdict

from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.pipeline.enrichment.calibrations import read_calibration, write_calibration
from manga_enrichment.pipeline.store.object_keys import calibration_key, former_calibration_key
from manga_enrichment_tests.fakes import MemoryTables

LEARNT = Calibration(60, 1.2, 300, 900, mean_input_factor=1.1, mean_output_tokens=210)
FORMER = {"samples": 50, "input_factor": 1.3, "output_tokens": 320, "latency_p50_ms": 800}
OF = ("genre_classification", "some.model-v1:0")


def test_what_was_written_is_read_and_nothing_where_nothing_was() -> None:
    tables = MemoryTables()
    assert read_calibration(tables, *OF) is None
    write_calibration(tables, *OF, LEARNT)
    assert read_calibration(tables, *OF) == LEARNT
    assert read_calibration(tables, "other", OF[1]) is None


def test_what_release_0_2_0_wrote_is_read_until_there_is_a_newer_one_and_stays_as_it_is() -> None:
    tables = MemoryTables()
    tables.write_json(former_calibration_key(*OF), FORMER)
    assert read_calibration(tables, *OF) == Calibration(50, 1.3, 320, 800)
    write_calibration(tables, *OF, LEARNT)
    assert read_calibration(tables, *OF) == LEARNT
    assert tables.read_json(former_calibration_key(*OF)) == FORMER, "0.2.0 refuses a key that it does not know"


def test_of_a_newer_version_what_is_known_here_is_read() -> None:
    tables = MemoryTables()
    tables.write_json(calibration_key(*OF), {**asdict(LEARNT), "learnt_tomorrow": 1})
    assert read_calibration(tables, *OF) == LEARNT
