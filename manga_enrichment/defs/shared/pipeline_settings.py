"""Settings of use cases, made from the project's: `pipeline/` reads no environment.

Belongs here: those of both lanes. Stays out: those of partner runs alone (`defs/partner/settings.py`).
"""

from datetime import timedelta

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import MIN_TITLES_SETTING, ROLE_SETTING
from manga_enrichment.domain.models.guardrails import Guardrail
from manga_enrichment.pipeline.engine.calls import EngineSettings
from manga_enrichment.pipeline.engine.invocation import InvokeSettings
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.enrichment.asking.submit_batch import BatchSettings
from manga_enrichment.settings import Settings, known_models, micro_usd


def invoke_settings(settings: Settings, lane: str, left_seconds: float | None = None) -> InvokeSettings:
    """lane: the run's, one of those with a weight. left_seconds: of the deadline, where some of it is over."""
    return InvokeSettings(
        engine=EngineSettings(
            concurrency=settings.concurrency,
            deadline_seconds=settings.deadline_seconds if left_seconds is None else left_seconds,
            claim_seconds=settings.claim_seconds,
            clock_skew=timedelta(seconds=settings.clock_skew_seconds),
        ),
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        caps=_caps(settings),
        lane=lane,
        lane_weights=settings.lane_weights,
        guardrail=_guardrail(settings),
    )


def batch_settings(settings: Settings) -> BatchSettings:
    """Raises ConfigurationError when the lane is on and has no role."""
    if settings.batch_min_titles is not None and not settings.batch_role_arn:
        raise ConfigurationError(
            f"{MIN_TITLES_SETTING} switches the batch lane on, which needs a role for Bedrock: set {ROLE_SETTING} "
            "(docs/batch.md has its policy)"
        )
    return BatchSettings(settings.batch_min_titles, settings.batch_timeout_hours, _caps(settings))


def _guardrail(settings: Settings) -> Guardrail | None:
    """At the prices of the models' file."""
    if not settings.guardrail_id:
        return None
    return Guardrail(settings.guardrail_id, settings.guardrail_version, known_models(settings).guardrail_prices)


def _caps(settings: Settings) -> Caps:
    return Caps(
        per_run_micro_usd=micro_usd(settings.budget_usd_per_run),
        per_day_micro_usd=micro_usd(settings.budget_usd_per_day),
        per_partner_per_day_micro_usd=micro_usd(settings.budget_usd_per_partner_per_day),
    )
