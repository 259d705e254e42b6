"""Resources: each hands one gateway to ops, checks and sensors; nothing connects before a run needs it.

Belongs here: Dagster's side of the gateways. Stays out: how they are made (`aws/gateways.py`).
"""

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

    Without a run it is a tick that waits, which has a minute in all.
    """

    settings: dg.ResourceDependency[Settings]

    def create_resource(self, context: dg.InitResourceContext) -> Gateways:
        return open_gateways(self.settings, is_brief=context.run is None)


class GatewayResource(dg.ConfigurableResource[Any]):
    """One gateway, by its name."""

    gateways: dg.ResourceDependency[Gateways]
    gateway: str

    def create_resource(self, context: dg.InitResourceContext) -> Any:
        return getattr(self.gateways, self.gateway)


def build_resources(settings: Settings) -> dict[str, object]:
    """Resource key -> resource, for `dg.Definitions`."""
    gateways = GatewaysResource(settings=settings)
    return {key: GatewayResource(gateways=gateways, gateway=key) for key in RESOURCE_KEYS}
