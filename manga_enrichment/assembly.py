"""Assembly only: settings in, one explicit `dg.Definitions` out.

Belongs here: which rooms there are. Stays out: what each holds (`definitions.py` of the room, under `defs/`), how
Dagster loads it (`manga_enrichment/definitions.py`).
"""

from collections.abc import Mapping

import dagster as dg

from manga_enrichment.defs.batch.definitions import build_batch
from manga_enrichment.defs.catalog.definitions import build_catalog
from manga_enrichment.defs.costs.definitions import build_costs
from manga_enrichment.defs.enrichment.definitions import build_enrichment
from manga_enrichment.defs.enrichment.run_work import build_run_work, catalog_ids
from manga_enrichment.defs.operations.definitions import build_operations
from manga_enrichment.defs.partner.definitions import build_partner
from manga_enrichment.defs.partner.resident_making import build_resident_making
from manga_enrichment.defs.partner.runs import build_partner_run
from manga_enrichment.defs.partner.settings import clock_skew
from manga_enrichment.defs.queues.definitions import build_queues
from manga_enrichment.defs.report.definitions import build_report
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.op_outputs import build_io_managers
from manga_enrichment.defs.shared.resources import build_resources
from manga_enrichment.defs.trials.definitions import build_trials
from manga_enrichment.domain.analyses import AnalysisSet
from manga_enrichment.settings import Settings, known_analyses, known_models, load_settings, partner_policies

ROOMS = (
    build_catalog,
    build_enrichment,
    build_batch,
    build_partner,
    build_queues,
    build_costs,
    build_report,
    build_trials,
    build_operations,
)


def build_definitions(
    settings: Settings | None = None,
    *,
    analyses: AnalysisSet | None = None,
    resources: Mapping[str, object] | None = None,
) -> dg.Definitions:
    """The whole code location. `resources` replaces single resources by key, as tests do. analyses: by default those
    that the settings name.

    Raises ConfigurationError, one sentence, for a wrong setting or an unknown or unpriced model.
    """
    settings = settings or load_settings()
    inputs = DefinitionInputs(settings, analyses or known_analyses(settings), known_models(settings))
    given = {
        **build_resources(settings),
        **build_io_managers(),
        "partner_run": build_partner_run(settings.deferral_seconds, clock_skew(settings), partner_policies(settings)),
        "resident": build_resident_making(inputs),
        "run_work": build_run_work(inputs.analyses),
        "catalog_ids": catalog_ids,
    }
    return dg.Definitions.merge(
        *(build(inputs) for build in ROOMS),
        dg.Definitions(resources={**given, **(resources or {})}, executor=dg.in_process_executor),
    )
