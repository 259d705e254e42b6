"""What people see of a run before and while it works: what the launchpad offers, its progress as a tag."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.enrichment.ops import PlanConfig
from manga_enrichment.defs.shared.tags import PROGRESS_TAG, range_tags
from manga_enrichment_tests.builders import COMBINED
from manga_enrichment_tests.defs.project import FIRST, LAST, Project
from manga_enrichment_tests.fakes import ScriptedModel

pytestmark = pytest.mark.slow


def test_the_tag_of_a_run_says_how_far_it_is_and_its_last_word_is_no_estimate(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.world.model = ScriptedModel(project.world.clock, latency_seconds=25.0)
    project.build()
    said: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        job = project.definitions.resolve_job_def(NIGHTLY_JOB)
        result = job.execute_in_process(tags=range_tags(FIRST, LAST), instance=instance)
        run = instance.get_run_by_id(result.run_id)
        said = [log.user_message for log in instance.all_logs(result.run_id)]
    assert run is not None
    said_last = f"{COMBINED}: 9 titles asked in 36 s"  # the first call of the prompt goes alone, for ten of these
    assert run.tags[PROGRESS_TAG] == said_last
    assert any(line.startswith("planned: 9 calls about 12 titles") for line in said)
    assert any(f"{COMBINED}: 0 of 9 titles" in line and "held by the model" in line for line in said)


def test_the_launchpad_offers_lanes_and_says_what_each_is() -> None:
    fields = PlanConfig.to_fields_dict()
    lanes: Any = fields["lane"].config_type
    offered = {each.config_value for each in getattr(lanes, "inner_type", lanes).enum_values}
    assert offered == {"auto", "batch", "on_demand"}
    assert all(f"{name}:" in str(fields["lane"].description) for name in offered)
    assert "nothing is asked" in str(fields["dry_run"].description)
