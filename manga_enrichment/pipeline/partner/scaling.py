"""How many runs a backlog is worth: the one rule behind scaling and the metric `BacklogPerTask`.

Belongs here: arithmetic over numbers that SQS and Dagster give. Stays out: asking them.
"""

from dataclasses import dataclass

from manga_enrichment.gateways.queue import QueueDepth


@dataclass(frozen=True, slots=True)
class BacklogRule:
    """Runs of one queue: one per `messages_per_run` messages that can start, within bounds.

    Messages in flight are other runs' work and make nobody wait for those runs' ends.
    """

    messages_per_run: int = 10
    min_runs: int = 1
    max_runs: int = 20

    def wanted_runs(self, depth: QueueDepth) -> int:
        """Delayed messages wait for their own time; those in flight have their runs."""
        return max(self.min_runs, min(self.max_runs, -(-depth.visible // self.messages_per_run)))

    def free_runs(self, depth: QueueDepth, runs_in_flight: int) -> int:
        """How many more runs may start now; 0 when nothing waits. runs_in_flight: with work of their own."""
        return max(0, min(self.wanted_runs(depth), self.max_runs - runs_in_flight)) if depth.visible else 0


def visible_per_run(depth: QueueDepth, runs_in_flight: int) -> float:
    """Messages that wait, per run that could take them: what alarms and scaling look at."""
    return depth.visible / max(1, runs_in_flight)
