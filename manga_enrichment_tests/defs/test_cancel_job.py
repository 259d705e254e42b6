"""Job `cancel_requests`: what `manga-enrichment requests cancel` does, from the UI."""

import pytest

from manga_enrichment.defs.queues.cancel_job import cancel_requests
from manga_enrichment_tests.partner_world import PartnerWorld

pytestmark = pytest.mark.slow


def test_it_marks_what_is_open_and_says_what_is_not() -> None:
    world = PartnerWorld()
    ended = world.send()
    world.work()
    waiting = world.send([(2, "reading_level")])
    world.tick()
    result = cancel_requests.execute_in_process(
        run_config={"ops": {"mark_cancelled": {"config": {"request_ids": [waiting, ended, "never seen"]}}}},
        resources={"requests": world.requests},
    )
    (output,) = [event for event in result.all_node_events if event.is_successful_output]
    said = str(output.step_output_data.metadata["said"].value)
    assert f"{waiting}: nothing more is asked" in said
    assert f"{ended}: has ended before, as completed" in said
    assert "never seen: nobody knows it yet" in said
    world.run(world.launched.pop())
    assert (world.state(waiting), world.state(ended)) == ("cancelled", "completed")
