"""Runs of a demo are those of the code location that `make dev` serves: its timeline leaves all others out."""

import dagster as dg
import pytest

from manga_enrichment.local.dagster_home import LOCATION, REPOSITORY_NAME
from manga_enrichment.local.demo.lane import run_here

pytestmark = pytest.mark.slow


@dg.op
def works() -> None:
    pass


@dg.op
def fails() -> None:
    raise dg.Failure("on purpose", allow_retries=False)


@dg.job
def good() -> None:
    works()


@dg.job
def bad() -> None:
    fails()


@pytest.mark.parametrize(("job", "success"), [("good", True), ("bad", False)])
def test_a_run_says_which_job_of_which_code_location_it_is(job: str, success: bool) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_here(dg.Definitions(jobs=[good, bad]), instance, job, {"lane": "night"})
        run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert (run.is_success, run.tags["lane"]) == (success, "night")
    origin = run.remote_job_origin
    assert origin is not None
    assert origin.job_name == job
    assert origin.repository_origin.repository_name == REPOSITORY_NAME
    assert origin.repository_origin.code_location_origin.location_name == LOCATION
