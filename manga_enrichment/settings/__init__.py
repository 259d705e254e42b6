"""The one reader of environment variables (prefix MANGA_)."""

from manga_enrichment.settings.derived import (
    door_of,
    known_models,
    micro_usd,
    partner_policies,
    request_policy,
    signing_key,
)
from manga_enrichment.settings.document import settings_markdown
from manga_enrichment.settings.own_analyses import known_analyses
from manga_enrichment.settings.variables import Settings, load_settings

__all__ = [
    "Settings",
    "door_of",
    "known_analyses",
    "known_models",
    "load_settings",
    "micro_usd",
    "partner_policies",
    "request_policy",
    "settings_markdown",
    "signing_key",
]
