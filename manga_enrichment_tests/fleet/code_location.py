"""The code location as fleets of the tests load it: the real one, but for a clock that a test can move on and a sensor
that begins tonight's night when a file says so. What follows is up to the schedule's own sensor."""

import os
from pathlib import Path

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.enrichment.schedule import assets_after_import, run_request
from manga_enrichment.defs.shared.partitions import partition_groups
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.operations.nights import Launch, first_parts, night_of
from manga_enrichment.settings import known_analyses, load_settings
from manga_enrichment_tests.end_to_end.file_clock import FileClock

CLOCK_FILE, BEGIN_FILE = "TEST_CLOCK_FILE", "TEST_BEGIN_FILE"


@dg.definitions
def defs() -> dg.Definitions:
    clock = FileClock(Path(os.environ[CLOCK_FILE]))
    settings = load_settings()
    analyses = assets_after_import(known_analyses(settings).of_titles)
    groups = partition_groups(bucket_keys(settings.catalog_buckets), settings.buckets_per_run)

    @dg.sensor(job_name=NIGHTLY_JOB, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
    def begins_a_night() -> list[dg.RunRequest] | dg.SkipReason:
        """As the schedule does at 02:00 in Tokyo: once a night."""
        if not Path(os.environ[BEGIN_FILE]).exists():
            return dg.SkipReason("not yet")
        first = first_parts([first for first, _last in groups])
        return [run_request(night_of(clock.now()), Launch(part), groups, analyses) for part in first]

    return dg.Definitions.merge(
        build_definitions(settings, resources={"clock": clock}), dg.Definitions(sensors=[begins_a_night])
    )
