"""What other rooms are given of the settings: models, policies, keys, amounts of money.

Belongs here: reading the files that settings name, turning values into the types of the domain. Stays out: the settings
(`variables.py`).
"""

import json
from pathlib import Path

from manga_enrichment.domain.analyses import AnalysisSet
from manga_enrichment.domain.callbacks.signatures import SigningKey
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import OTHER_ANALYSES, ModelCatalog
from manga_enrichment.domain.models.usage import micro_usd_from_usd
from manga_enrichment.domain.operations.door import Door, keys_url_of
from manga_enrichment.domain.operations.quota_lanes import batch_models
from manga_enrichment.domain.requests.policies import NO_POLICIES, Policies, PolicyError, read_policies
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.settings.own_analyses import known_analyses
from manga_enrichment.settings.variables import Settings


def micro_usd(amount_usd: float | None) -> int | None:
    """A cap in micro-dollars; None stays None."""
    return None if amount_usd is None else micro_usd_from_usd(amount_usd)


def known_models(settings: Settings) -> ModelCatalog:
    """The packaged models, those of MANGA_MODELS_FILE on top, and the aliases. Raises ConfigurationError, also where an
    analysis or a lane asks for a model that is none of them.
    """
    try:
        own = Path(settings.models_file).read_text("utf-8") if settings.models_file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"MANGA_MODELS_FILE={settings.models_file} cannot be read: {error}") from error
    analyses = known_analyses(settings).for_partners
    models = load_models(settings.model_aliases, own, settings.lane_models, settings.lane_tiers)
    known = {OTHER_ANALYSES, *analyses}
    for chosen in settings.lane_models.values():
        if unknown := sorted(chosen.keys() - known):
            raise ConfigurationError(f"MANGA_LANE_MODELS: {unknown[0]} is none of {', '.join(sorted(known))}")
    for name, analysis in analyses.items():
        if analysis.model_alias not in {*models.aliases, *models.models}:
            known_names = ", ".join(sorted(models.aliases))
            raise ConfigurationError(f"{name}.toml: model {analysis.model_alias!r} is not known; choose {known_names}")
    return models


def partner_policies(settings: Settings) -> Policies:
    """What each partner may. Raises ConfigurationError."""
    if not settings.partners_file:
        return NO_POLICIES
    try:
        document = json.loads(Path(settings.partners_file).read_text("utf-8-sig"))
        return read_policies(document, known_analyses(settings).for_partners)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"MANGA_PARTNERS_FILE={settings.partners_file} cannot be read: {error}") from error
    except PolicyError as error:
        raise ConfigurationError(f"MANGA_PARTNERS_FILE={settings.partners_file}: {error}") from error


def request_policy(settings: Settings, analyses: AnalysisSet | None = None) -> RequestPolicy:
    """What requests may ask for here. analyses: by default those that the settings name. Raises ConfigurationError."""
    return RequestPolicy(
        frozenset(settings.sns_topics_allowed),
        settings.callback_allow_loopback,
        partner_policies(settings),
        sends_mail=bool(settings.email_from),
        alias_of=batch_models(known_models(settings)),
        analyses=analyses or known_analyses(settings),
    )


def signing_key(settings: Settings) -> SigningKey | None:
    """The key that those of partners are derived from; None: callbacks wait."""
    secret = settings.callback_secret
    return None if secret is None else SigningKey(settings.callback_key_id, secret.get_secret_value())


def door_of(settings: Settings) -> Door | None:
    """Who says who somebody is before pages of titles; None: nobody does. Raises ConfigurationError."""
    said = {
        "MANGA_DOOR_ARN": settings.door_arn,
        "MANGA_DOOR_ISSUER": settings.door_issuer,
        "MANGA_DOOR_CLIENT_ID": settings.door_client_id,
    }
    if not any(said.values()):
        return None
    if missing := [name for name, value in said.items() if not value]:
        raise ConfigurationError(f"{', '.join(missing)} is missing: a door is {', '.join(said)}, all or none")
    return Door(
        settings.door_arn,
        settings.door_issuer,
        settings.door_client_id,
        settings.door_keys_url or keys_url_of(settings.door_arn),
        settings.door_claim,
    )
