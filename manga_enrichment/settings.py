"""The one reader of environment variables (prefix MANGA_).

Belongs here: names, defaults, limits and the sentence a user sees when a value is wrong. AWS's own variables
(credentials, region, AWS_ENDPOINT_URL*) are boto3's to read.
"""

import json
from typing import Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from manga_enrichment.domain.batch_jobs import MAX_TIMEOUT_HOURS, MIN_RECORDS, MIN_TIMEOUT_HOURS
from manga_enrichment.domain.catalog import MAX_CATALOG_BUCKETS
from manga_enrichment.domain.outcomes import ConfigurationError
from manga_enrichment.domain.usage import micro_usd_from_usd


class Settings(BaseSettings):
    """Every setting of the project; each is one variable, for example MANGA_CATALOG_URI."""

    model_config = SettingsConfigDict(env_prefix="MANGA_", extra="ignore", frozen=True)

    catalog_uri: str = Field("data/catalog/sample.jsonl", description="CSV, JSONL or Parquet; local path or s3://")
    catalog_mapping: str = Field("", description="JSON file that maps our columns to the source's")
    catalog_buckets: int = Field(8, ge=1, le=MAX_CATALOG_BUCKETS, description="partitions; frozen once data exists")
    bucket: str = Field("manga-fm-results", min_length=3, description="S3 bucket of tables and results")

    ledger_table: str = Field("manga-fm-results", description="DynamoDB table of all answers")
    status_table: str = Field("manga-fm-request-status", description="DynamoDB table of request and partition states")
    budget_table: str = Field("manga-fm-budget", description="DynamoDB table of budget counters")
    ledger_retention_days: int = Field(730, ge=1, description="answers older than this may be asked again")
    model_aliases: dict[str, str] = Field(default_factory=dict, description='for example {"haiku": "<model id>"}')
    concurrency: int = Field(64, ge=1, le=1024, description="calls in flight of one run")
    requests_per_minute: int | None = Field(None, ge=1, description="quota of one model; unset: adapt")
    tokens_per_minute: int | None = Field(None, ge=1, description="quota of one model; unset: adapt")
    call_timeout_seconds: float = Field(
        60, gt=0, le=3600, description="wait for one answer; longer is lost and may be billed"
    )
    deadline_seconds: float = Field(4 * 3600, gt=0, description="how long one op keeps trying throttled titles")
    claim_seconds: float = Field(60, ge=5, le=3600, description="how long a dead run's titles stay reserved")
    budget_usd_per_run: float | None = Field(None, ge=0, description="cap of one run; unset: none")
    budget_usd_per_day: float | None = Field(None, ge=0, description="cap of one UTC day over all runs; unset: none")
    budget_usd_per_partner_per_day: float | None = Field(
        None, ge=0, description="cap of one partner and day; unset: none"
    )
    batch_min_titles: int | None = Field(
        None, ge=MIN_RECORDS, description="batch lane from this many missing titles on; unset: lane off"
    )
    batch_role_arn: str = Field("", description="role that Bedrock takes to read and write batch files")
    batch_timeout_hours: int = Field(
        MIN_TIMEOUT_HOURS, ge=MIN_TIMEOUT_HOURS, le=MAX_TIMEOUT_HOURS, description="Bedrock ends a batch job after this"
    )
    buckets_per_run: int = Field(8, ge=1, description="partitions that one backfill or nightly run takes")
    cost_per_title_usd_warn: float = Field(0.002, gt=0, description="check `cost_per_title_within_limits` warns above")
    cost_per_title_usd_error: float = Field(0.02, gt=0, description="the same check is an error above")
    cost_per_run_usd_warn: float = Field(50, gt=0, description="check `cost_per_run_within_limits` warns above")
    cost_per_run_usd_error: float = Field(500, gt=0, description="the same check is an error above")
    error_rate_warn: float = Field(0.01, ge=0, le=1, description="check `error_rate_within_limits` warns above")
    error_rate_error: float = Field(0.10, ge=0, le=1, description="the same check is an error above")
    coverage_warn: float = Field(0.95, ge=0, le=1, description="check `titles_are_covered` warns below")

    @field_validator("model_aliases", mode="before")
    @classmethod
    def _aliases_from_json(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) and value.strip() else value or {}


def micro_usd(amount_usd: float | None) -> int | None:
    """A cap in micro-dollars; None stays None."""
    return None if amount_usd is None else micro_usd_from_usd(amount_usd)


def load_settings() -> Settings:
    """Settings from the environment.

    Raises ConfigurationError with one line per wrong variable: its name, what is wrong, what it takes.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError("; ".join(_sentence(problem) for problem in error.errors())) from None
    except ValueError as error:  # pydantic-settings: a JSON setting that is not JSON
        raise ConfigurationError(f"A MANGA_ setting could not be read: {error}. Give it as JSON.") from None


def _sentence(problem: Any) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    takes = Settings.model_fields[name].description if name in Settings.model_fields else None
    hint = f" ({takes})" if takes else ""
    return f"MANGA_{name.upper()}={problem['input']!r} is not valid: {problem['msg']}{hint}"


def settings_markdown() -> str:
    """`docs/settings.md`: every variable with its default and meaning."""
    lines = [
        "# Settings",
        "",
        "Environment variables; a wrong value stops everything with one sentence before any call is billed. AWS's own",
        "variables (credentials, `AWS_REGION`, `AWS_ENDPOINT_URL*`) are read by boto3. Generated with",
        "`manga-enrichment settings-docs`.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default in (None, "", {}) else f"`{default}`"
        lines.append(f"| `MANGA_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join([*lines, ""])
