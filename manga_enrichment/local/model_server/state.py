"""Everything the server remembers between requests.

Belongs here: the parts and how a reset touches them. Stays out: HTTP.
"""

import time
from collections.abc import Callable
from pathlib import Path

from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.local.model_server.batch.files import BatchFiles
from manga_enrichment.local.model_server.batch.jobs import BatchJobs
from manga_enrichment.local.model_server.faults import FaultPlan, FaultSettings
from manga_enrichment.local.model_server.meter import Meter
from manga_enrichment.local.model_server.prompt_cache import PromptCache
from manga_enrichment.local.model_server.quota import Quota
from manga_enrichment.local.model_server.record_file import RecordFile
from manga_enrichment.local.model_server.service_metrics import ServiceMetrics


class ServerState:
    """Models, switches, quota, cache and meter of one server. Used from one event loop only."""

    def __init__(
        self,
        models: ModelCatalog,
        *,
        record_path: Path | None = None,
        batch_files: BatchFiles | None = None,
        metrics: ServiceMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """metrics: None when nobody is told of calls. clock: seconds that never run back.

        Raises ConfigurationError for an unreadable record.
        """
        self.models = models
        self.clock = clock
        self.meter = Meter()
        self.cache = PromptCache(clock)
        self.batch = BatchJobs(batch_files)
        self.metrics = metrics
        self.record = RecordFile(record_path, self.meter) if record_path is not None else None
        self.set_faults(FaultSettings())

    def set_faults(self, settings: FaultSettings) -> None:
        """Put new switches in force; draws and quotas start anew, whatever came before."""
        self.faults = FaultPlan(settings)
        self.quota = Quota(settings.quota, self.clock)

    def reset(self, *, faults: bool) -> None:
        """Forget counters, cached prefixes, batch jobs, draws and quota levels; the switches too when `faults`."""
        self.meter.reset()
        self.cache.clear()
        self.batch.clear()
        self.set_faults(FaultSettings() if faults else self.faults.settings)
