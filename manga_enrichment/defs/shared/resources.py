"""Resources: each hands one gateway to ops, checks and sensors; nothing connects before a run needs it.

Belongs here: Dagster's side of the gateways. Stays out: how they are made (`aws/gateways.py`).
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import dagster as dg

from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.settings import Settings

RESOURCE_KEYS = (
    "clock",
    "tables",
    "ledger",
    "budget",
    "senders",
    "batch",
    "status",
    "queues",
    "requests",
    "residents",
    "notifier",
    "metric_sink",
    "queue_ages",
    "service_usage",
    "outbox",
    "catalog_source",
    "open_model",
)
"""Names of `Gateways`' own; ops, checks and sensors ask for them with the type that each has there."""


class GatewaysResource(dg.ConfigurableResource[Gateways]):
    """settings: as they are and not as run config, which Dagster stores with the instance and shows in the UI.

    of_ticks: without a run it is a tick that waits, which has a minute in all. All ticks of a process share them:
    clients made anew at each are thousands of objects in cycles, which stay until Python looks for such.
    """

    settings: dg.ResourceDependency[Settings]
    of_ticks: dg.ResourceDependency[Callable[[], Gateways]]

    def create_resource(self, context: dg.InitResourceContext) -> Gateways:
        return self.of_ticks() if context.run is None else open_gateways(self.settings)


class GatewayResource(dg.ConfigurableResource[Any]):
    """One gateway, by its name."""

    gateways: dg.ResourceDependency[Gateways]
    gateway: str

    def create_resource(self, context: dg.InitResourceContext) -> Any:
        return getattr(self.gateways, self.gateway)


def build_resources(settings: Settings) -> dict[str, object]:
    """Resource key -> resource, for `dg.Definitions`."""
    gateways = GatewaysResource(settings=settings, of_ticks=cache(partial(open_gateways, settings, is_brief=True)))
    return {key: GatewayResource(gateways=gateways, gateway=key) for key in RESOURCE_KEYS}
