"""The health lane in Dagster: its job and sensors in this process, over gateways in memory."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.partner.assets import PARTNER_JOB
from manga_enrichment.defs.queues.assets import OBSERVE_JOB
from manga_enrichment.defs.queues.redrive_job import REDRIVE_JOB
from manga_enrichment.defs.shared.names import PARTNER_RESULTS
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.settings import Settings
from manga_enrichment_tests.defs.project import checks
from manga_enrichment_tests.health_fakes import MemoryAges, MemoryMetrics
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.request_fakes import MemoryNotifier

TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:manga-fm-alerts"


def unit_config(unit: str) -> dict[str, Any]:
    return {"ops": {PARTNER_RESULTS: {"ops": {"open_requests": {"config": {"unit": unit}}}}}}


class HealthLane:
    """Definitions over a PartnerWorld, in an instance of their own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.world = PartnerWorld()
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        self.notifier, self.metrics, self.ages = MemoryNotifier(), MemoryMetrics(), MemoryAges()
        self.resources: dict[str, Any] = {
            **self.world.base.resources(folder / "catalog.jsonl"),
            "queues": self.world.queue,
            "requests": self.world.requests,
            "outbox": self.world.outbox,
            "open_model": lambda: self.world.base.model,
            "notifier": self.notifier,
            "metric_sink": self.metrics,
            "queue_ages": self.ages,
        }
        chosen = {"catalog_buckets": 2, "buckets_per_run": 1, "alerts_topic_arn": TOPIC, **settings}
        self.definitions = build_definitions(Settings(**chosen), resources=self.resources)
        self.cursors: dict[str, str | None] = {}

    def tick(self, sensor: str) -> str:
        """One tick; what it says it did."""
        found = self.definitions.resolve_sensor_def(sensor)
        names = {
            "alerts": ["notifier", "budget", "clock"],
            "metrics": ["metric_sink", "queues", "budget", "tables", "clock"],
        }[sensor]
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor),
            definitions=self.definitions,
            resources={name: self.resources[name] for name in names},
        ) as context:
            data = found.evaluate_tick(context)
        self.cursors[sensor] = data.cursor
        return data.skip_message or ""

    def run(self, job: str, **how: Any) -> dg.ExecuteInProcessResult:
        found = self.definitions.resolve_job_def(job)
        return found.execute_in_process(instance=self.instance, raise_on_error=False, **how)

    def partner_run(self, tags: Mapping[str, str], **how: Any) -> dg.DagsterRun:
        """A run of the partner job that is only known to Dagster."""
        job = self.definitions.resolve_job_def(PARTNER_JOB)
        return self.instance.create_run_for_job(job, run_config=unit_config("none:1"), tags=tags, **how)

    def observe(self) -> dict[str, dg.AssetCheckEvaluation]:
        """Look at the queues as the schedule does; check -> evaluation."""
        result = self.run(OBSERVE_JOB)
        assert result.success
        return {name: evaluation for (_asset, name), evaluation in checks(result).items()}

    def redrive(self, **config: Any) -> int:
        config = {"queue": DEAD_LETTERS, "target": NORMAL.name, **config}
        return self.run(REDRIVE_JOB, run_config={"ops": {"redrive": {"config": config}}}).output_for_node("redrive")

    def alerts(self) -> list[dict[str, Any]]:
        """What the topic heard, parsed."""
        return [json.loads(each.message) for each in self.notifier.published]
