"""Every variable: its name, default and limits, and the sentence a user sees when a value is wrong.

Belongs here: the class, reading it from the environment. Stays out: what other rooms are given of it (`derived.py`),
the page about it (`document.py`). AWS's own variables (credentials, region, AWS_ENDPOINT_URL*) are boto3's to read.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from manga_enrichment.domain.callbacks.signatures import KEY_ID_PATTERN, MIN_SECRET_CHARACTERS
from manga_enrichment.domain.catalog.records import MAX_CATALOG_BUCKETS
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import MAX_TIMEOUT_HOURS, MIN_RECORDS, MIN_TIMEOUT_HOURS
from manga_enrichment.domain.operations.quota_lanes import LANE_WEIGHTS, MODEL_LANES
from manga_enrichment.domain.operations.retention import CHANGES_DAYS, LEDGER_DAYS, RUN_HISTORY_DAYS
from manga_enrichment.domain.operations.stages import STAGE_PATTERN, staged
from manga_enrichment.domain.requests.reading.formats import is_email, is_sns_topic_arn
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW

_SECRETS = frozenset({"callback_secret"})
_NAMES_IN_AWS = ("bucket", "ledger_table", "status_table", "budget_table", "senders_table", "outbox_table")


class Settings(BaseSettings):
    """Every setting of the project; each is one variable, for example MANGA_CATALOG_URI."""

    model_config = SettingsConfigDict(env_prefix="MANGA_", extra="ignore", frozen=True)

    stage: str = Field(
        "", pattern=STAGE_PATTERN, description="before all names in AWS, for example staging; docs/aws.md"
    )
    catalog_uri: str = Field("data/catalog/sample.jsonl", description="file, folder or glob; local or s3://")
    catalog_mapping: str = Field("", description="JSON file that maps our columns to the source's")
    catalog_preset: str = Field("", description="mapping of a known source, for example jikan; under catalog_mapping")
    catalog_encoding: str = Field("", description="encoding of CSV and JSON files, for example cp932; unset: found out")
    catalog_delimiter: str = Field("", max_length=1, description="what parts the cells of a CSV; unset: found out")
    catalog_max_rejected: float = Field(
        0.1, ge=0, le=1, description="a source with a larger share of rows that are no titles is refused; 1: never"
    )
    catalog_max_lost: float = Field(
        0.1, ge=0, le=1, description="a source that lacks a larger share of the catalog's titles is refused; 1: never"
    )
    catalog_buckets: int = Field(8, ge=1, le=MAX_CATALOG_BUCKETS, description="partitions; frozen once data exists")
    candidates_refresh: float = Field(
        0,
        ge=0,
        le=1,
        description="share of titles whose candidate lists of an earlier method move each day and are paid",
    )
    candidates_full_after: int = Field(
        14, ge=0, description="nights that only search changed titles, until the candidate index is built anew"
    )
    partners_file: str = Field("", description="JSON file of what each partner may (docs/api.md); unset: anything")
    bucket: str = Field("manga-fm-results", min_length=3, description="S3 bucket of tables and results")

    ledger_table: str = Field("manga-fm-results", description="DynamoDB table of all answers")
    status_table: str = Field("manga-fm-request-status", description="DynamoDB table of request and partition states")
    budget_table: str = Field("manga-fm-budget", description="DynamoDB table of budget counters")
    senders_table: str = Field("manga-fm-senders", description="DynamoDB table of runs that share a quota")
    ledger_retention_days: int = Field(LEDGER_DAYS, ge=1, description="answers older than this may be asked again")
    analyses_dir: str = Field("", description="folder of your own analyses, a TOML file each, on top of ours (README)")
    models_file: str = Field("", description="TOML file of your own models, on top of ours (docs/models.md)")
    lane_tiers: dict[str, Literal["default", "flex", "priority"]] = Field(
        default_factory=dict, description='service tier by lane, for example {"night": "flex"} (docs/models.md)'
    )
    model_aliases: dict[str, str] = Field(default_factory=dict, description='for example {"haiku": "<model id>"}')
    lane_models: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description='model by lane and analysis, for example {"low": {"full_enrichment": "sonnet"}} (docs/models.md)',
    )
    guardrail_id: str = Field(
        "",
        pattern="^([a-z0-9]+|arn:aws[-a-z]*:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+)?$",
        description="id or ARN of a Bedrock guardrail that conversations pass (docs/aws.md); unset: none",
    )
    guardrail_version: str = Field(
        "",
        pattern="^([1-9][0-9]{0,7}|DRAFT)?$",
        validate_default=True,
        description="its version, a number or DRAFT; set it with MANGA_GUARDRAIL_ID",
    )
    outbox_table: str = Field("manga-fm-outbox", description="DynamoDB table of callbacks and notifications to be sent")
    callback_secret: SecretStr | None = Field(
        None,
        description=f"{MIN_SECRET_CHARACTERS} or more characters that partners' signing secrets are derived from; "
        "unset: callbacks wait",
    )
    callback_key_id: str = Field(
        "1", pattern=f"^{KEY_ID_PATTERN}$", description="name of the secret; change it with the secret"
    )
    callback_allow_loopback: bool = Field(False, description="callbacks may go to this machine: the local stack alone")
    sns_topics_allowed: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="ARNs of SNS topics that a partner may name, separated by commas"
    )
    results_topic_arn: str = Field("", description="SNS topic that hears of every ended request; unset: none")
    email_from: str = Field("", description="sender of mail to partners, verified by SES; unset: no mail is sent")
    alerts_topic_arn: str = Field("", description="SNS topic that hears of failures and alerts; unset: none")
    api_url: str = Field(
        "",
        pattern="^(https?://[^ ]*[^ /])?$",
        description="ApiUrl of infra/api.yaml, for links to results in callbacks; unset: none",
    )
    dagster_url: str = Field(
        "http://127.0.0.1:3000", pattern="^https?://", description="where people reach the Dagster UI; links in alerts"
    )
    browse_url: str = Field(
        "",
        pattern="^(https?://[^ ]*[^ /])?$",
        description="where people reach `manga-enrichment browse`; titles of the report link there; unset: no links",
    )
    door_arn: str = Field(
        "",
        pattern="^(arn:aws[-a-z]*:elasticloadbalancing:[^ ]+:loadbalancer/app/[^ ]+)?$",
        description="ARN of the load balancer before `manga-enrichment browse` that asks who somebody is; unset: none",
    )
    door_issuer: str = Field("", description="whom that load balancer asks, as its tokens say; set it with the ARN")
    door_client_id: str = Field("", description="its client id there, which tokens are for; set it with the ARN")
    door_keys_url: str = Field(
        "",
        pattern=r"^(https://[^ ]*[^ /]|http://127\.0\.0\.1(:[0-9]+)?(/[^ ]*[^ /])?)?$",
        description="where its public keys are; unset: where AWS has those of its region",
    )
    door_claim: str = Field(
        "email", min_length=1, description="what names a person in its tokens and beside corrections, for example sub"
    )
    run_history_days: int = Field(
        RUN_HISTORY_DAYS, ge=1, description="finished runs older than this are deleted from Dagster"
    )
    changes_days: int = Field(
        CHANGES_DAYS, ge=1, description="UTC days that `catalog_changes` and `enriched_changes` are kept"
    )
    concurrency: int = Field(64, ge=1, le=1024, description="calls in flight of one run")
    requests_per_minute: int | None = Field(None, ge=1, description="quota of one model; unset: adapt")
    tokens_per_minute: int | None = Field(None, ge=1, description="quota of one model; unset: adapt")
    lane_weights: dict[str, float] = Field(
        default_factory=lambda: dict(LANE_WEIGHTS),
        description="how lanes share a quota; those that are left out keep theirs",
    )
    call_timeout_seconds: float = Field(
        60, gt=0, le=3600, description="wait for one answer; longer is lost and may be billed"
    )
    deadline_seconds: float = Field(
        4 * 3600, gt=0, description="how long one op keeps asking for an analysis, all its tries together"
    )
    clock_skew_seconds: float = Field(
        MOST_CLOCK_SKEW.total_seconds(), ge=1, le=600, description="how far apart the clocks of two machines may be"
    )
    claim_seconds: float = Field(60, ge=5, le=3600, description="how long a dead run's titles stay reserved")
    budget_usd_per_run: float | None = Field(None, ge=0, description="cap of one run; unset: none")
    budget_usd_per_day: float | None = Field(None, ge=0, description="cap of one UTC day over all runs; unset: none")
    budget_usd_per_partner_per_day: float | None = Field(None, ge=0, description="cap of a partner's day; unset: none")
    batch_min_titles: int | None = Field(
        None, ge=MIN_RECORDS, description="batch lane from this many missing titles on; unset: lane off"
    )
    batch_role_arn: str = Field("", description="role that Bedrock takes to read and write batch files")
    batch_timeout_hours: int = Field(
        MIN_TIMEOUT_HOURS, ge=MIN_TIMEOUT_HOURS, le=MAX_TIMEOUT_HOURS, description="Bedrock ends a batch job after this"
    )
    buckets_per_run: int = Field(8, ge=1, description="partitions that one backfill or nightly run takes")
    queue_messages_per_run: int = Field(10, ge=1, description="backlog of a queue that one more run is worth")
    queue_min_runs: int = Field(1, ge=0, description="runs of one queue in flight at least, where anything waits")
    queue_max_runs: int = Field(20, ge=1, description="runs of one queue in flight at most")
    residents: bool = Field(
        True, description="urgent batches and conversations are worked at by runs that stay; false: by runs for units"
    )
    resident_life_seconds: float = Field(900, ge=120, description="such a run receives so long, then its successor")
    resident_calls: int = Field(1000, ge=1, description="open calls of such a run, above which it receives no more")
    coalesce_max_messages: int = Field(
        500,
        ge=1,
        le=1000,
        description="requests that share one run at most; four times as many of the low-priority queue",
    )
    coalesce_max_titles: int = Field(
        1000, ge=100, le=10_000, description="their titles at most; four times as many of the low-priority queue"
    )
    deferral_seconds: int = Field(300, ge=1, le=900, description="until a throttled or unfunded request is tried again")
    request_max_age_hours: float = Field(72, gt=0, description="what still waits then has failed")
    grace_seconds: float = Field(20, ge=0, description="calls in flight may take this long after SIGTERM")
    cost_per_title_usd_warn: float = Field(0.002, gt=0, description="check `cost_per_title_in_range` warns above")
    cost_per_title_usd_error: float = Field(0.02, gt=0, description="the same check is an error above")
    cost_per_run_usd_warn: float = Field(50, gt=0, description="check `cost_per_run_within_limits` warns above")
    cost_per_run_usd_error: float = Field(500, gt=0, description="the same check is an error above")
    error_rate_warn: float = Field(0.01, ge=0, le=1, description="check `error_rate_within_limits` warns above")
    error_rate_error: float = Field(0.10, ge=0, le=1, description="the same check is an error above")
    coverage_warn: float = Field(0.95, ge=0, le=1, description="check `titles_are_covered` warns below")

    @model_validator(mode="before")
    @classmethod
    def _defaults_have_the_stage(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A name that somebody gives is taken as it is."""
        stage = str(values.get("stage", ""))
        return {name: staged(stage, cls.model_fields[name].default) for name in _NAMES_IN_AWS} | values

    @field_validator("model_aliases", mode="before")
    @classmethod
    def _aliases_from_json(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) and value.strip() else value or {}

    @field_validator("guardrail_version")
    @classmethod
    def _guardrail_has_a_version(cls, value: str, info: ValidationInfo) -> str:
        if bool(value) is not bool(info.data.get("guardrail_id", value)):
            raise ValueError("a guardrail is MANGA_GUARDRAIL_ID and MANGA_GUARDRAIL_VERSION, both or neither")
        return value

    @field_validator("lane_models")
    @classmethod
    def _models_are_of_lanes(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        if unknown := sorted(value.keys() - set(MODEL_LANES)):
            raise ValueError(f"{unknown[0]} is not one of the lanes {', '.join(MODEL_LANES)}")
        return value

    @field_validator("lane_tiers")
    @classmethod
    def _tiers_are_of_lanes(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(value.keys() - LANE_WEIGHTS.keys()):
            raise ValueError(f"{unknown[0]} is not one of the lanes {', '.join(LANE_WEIGHTS)}")
        return value

    @field_validator("lane_weights", mode="after")
    @classmethod
    def _weights_are_of_lanes(cls, value: dict[str, float]) -> dict[str, float]:
        for lane, weight in value.items():
            if lane not in LANE_WEIGHTS or not 0.1 <= weight <= 1_000:
                raise ValueError(f"{lane}: {weight:g} is not a lane with a weight of 0.1 to 1,000")
        return {**LANE_WEIGHTS, **value}

    @field_validator("sns_topics_allowed", mode="before")
    @classmethod
    def _topics_from_list(cls, value: Any) -> Any:
        return tuple(each.strip() for each in value.split(",") if each.strip()) if isinstance(value, str) else value

    @field_validator("sns_topics_allowed", "results_topic_arn", "alerts_topic_arn")
    @classmethod
    def _topics_are_arns(cls, value: Any) -> Any:
        for arn in (value,) if isinstance(value, str) else value:
            if arn and not is_sns_topic_arn(arn):
                raise ValueError(f"{arn!r} is not the ARN of a standard SNS topic")
        return value

    @field_validator("email_from")
    @classmethod
    def _sender_is_an_address(cls, value: str) -> str:
        if value and not is_email(value):
            raise ValueError("it is no e-mail address")
        return value

    @field_validator("callback_secret", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("callback_secret")
    @classmethod
    def _secret_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_SECRET_CHARACTERS:
            raise ValueError("it is too short")
        return value


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
    shown = "" if name in _SECRETS else f"={problem['input']!r}"
    return f"MANGA_{name.upper()}{shown} is not valid: {problem['msg']}{hint}"
