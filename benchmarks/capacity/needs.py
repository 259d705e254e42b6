"""What a night and a day of partners need, reckoned from figures.toml. Pure but for reading that file."""

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.operations.service_costs import SQS_CALLS, STATUS_CALLS, load_prices

FIGURES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "figures.toml").read_text("utf-8"))
PRICES = FIGURES["prices"]
ANALYSIS = packaged_analyses().get("full_enrichment")
MODEL = load_models().resolve("haiku")
LATENCY_SECONDS = 4.0
"""Of an answer in four parts. Taken, not measured: no model was asked from here."""
CONCURRENCY, TASKS_OF_A_NIGHT = 64, 16
"""MANGA_CONCURRENCY; the limit of the tag `night` in deploy/dagster.yaml."""
NIGHT_HOURS = 8.0
TASK_VCPU, TASK_GB = 1.0, 4.0
SERVERS_VCPU, SERVERS_GB = 2.0, 8.0
"""Code server, webserver and daemon of infra/dagster.yaml."""
USED_OF_A_CORE = 0.6
"""Of a core, for what must answer within seconds."""
PEAK = 4.0
"""How many times the average an hour of partners may have."""
HOURS_OF_A_MONTH = 730.0


@dataclass(frozen=True, slots=True)
class Night:
    """What a first night over so many titles needs, all of them asked for."""

    titles: int

    @property
    def tasks(self) -> int:
        wanted = math.ceil(self.titles / (NIGHT_HOURS * 3600) / self.rate_of_a_task)
        return min(max(wanted, 1), TASKS_OF_A_NIGHT)

    @property
    def rate_of_a_task(self) -> float:
        """Titles a second: bound by the calls in flight, or by its core."""
        in_flight = CONCURRENCY / LATENCY_SECONDS * FIGURES["night"]["share_of_ideal"]
        return float(min(in_flight, 1000 / FIGURES["night"]["cpu_ms_a_title"]))

    @property
    def rate(self) -> float:
        return self.tasks * self.rate_of_a_task

    @property
    def hours(self) -> float:
        return self.titles / self.rate / 3600

    @property
    def requests_per_minute(self) -> float:
        """What to ask AWS for: several tasks leave somewhat more of a told quota unused than one."""
        share = FIGURES["quota"]["share_used"] if self.tasks == 1 else FIGURES["fleet"]["share_used_by_four"]
        return self.rate * 60 / float(share)

    @property
    def tokens_per_minute(self) -> float:
        """As Bedrock counts them: what is read from the cache is free, output counts several times."""
        prompt = FIGURES["prompt"]
        return self.requests_per_minute * float(
            prompt["own_tokens"] + ANALYSIS.expected_output_tokens * MODEL.output_burndown
        )

    @property
    def buckets(self) -> int:
        return next((each for each in (8, 64, 256) if self.titles / each <= 20_000), 256)

    @property
    def runs(self) -> int:
        return max(self.tasks, self.buckets // 8)

    @property
    def index_gb(self) -> float:
        return self.titles * float(FIGURES["candidates"]["bytes_a_title"]) / 1e9

    @property
    def first_cpu_hours(self) -> float:
        """Import and candidate lists, before anything is asked."""
        return (
            self.titles
            * (FIGURES["import"]["cpu_us_a_row"] / 1e6 + FIGURES["candidates"]["cpu_ms_a_title"] / 1e3)
            / 3600
        )


def model_usd() -> float:
    """Of one title."""
    prompt = FIGURES["prompt"]
    usage = Usage(prompt["own_tokens"], ANALYSIS.expected_output_tokens, prompt["fixed_tokens"])
    return cost_micro_usd(usage, MODEL.price) / 1e6


def task_hours_usd(hours: float, vcpu: float, gb: float) -> float:
    return float(hours * (vcpu * PRICES["fargate_vcpu_hour"] + gb * PRICES["fargate_gb_hour"]))


def dynamodb_usd(writes: float, reads: float) -> float:
    return float(writes * PRICES["dynamodb_million_writes"] + reads * PRICES["dynamodb_million_reads"]) / 1e6


def s3_usd(puts: float, gets: float) -> float:
    return float(puts * PRICES["s3_thousand_puts"] + gets * PRICES["s3_thousand_gets"]) / 1e3


def kept_usd(titles: int) -> float:
    """A month of ledger and tables, with what point-in-time recovery and former versions take."""
    kept = FIGURES["kept"]
    ledger_gb = titles * kept["ledger_bytes_a_title"] / 1e9
    tables_gb = titles * kept["table_bytes_a_title"] / 1e9 * (1 + kept["versions"])
    in_dynamodb = PRICES["dynamodb_gb_month"] + PRICES["dynamodb_pitr_gb_month"]
    return float(ledger_gb * in_dynamodb + tables_gb * PRICES["s3_gb_month"])


def standing_usd() -> float:
    """A month of what is there when nothing happens: servers, database, load balancer, a way out."""
    hourly = PRICES["database_hour"] + PRICES["load_balancer_hour"] + PRICES["nat_hour"]
    servers = task_hours_usd(HOURS_OF_A_MONTH, SERVERS_VCPU, SERVERS_GB)
    residents = task_hours_usd(HOURS_OF_A_MONTH, 2 * TASK_VCPU, 2 * TASK_GB)
    return float(hourly * HOURS_OF_A_MONTH + 20 * PRICES["database_gb_month"] + servers + residents)


def nights() -> Iterator[tuple[str, ...]]:
    each = [Night(1_000_000), Night(10_000_000)]
    asked, used = FIGURES["requests"], [night.titles for night in each]
    yield "tasks at once", *(f"{night.tasks}" for night in each)
    yield "titles/s, hours", *(f"{night.rate:,.0f}/s, {night.hours:,.1f} h" for night in each)
    yield "quota: calls a minute", *(f"{night.requests_per_minute:,.0f}" for night in each)
    yield (
        "quota: tokens a minute, as Bedrock counts them",
        *(f"{night.tokens_per_minute / 1e6:,.1f} M" for night in each),
    )
    yield "`MANGA_CATALOG_BUCKETS`, runs", *(f"{night.buckets}, {night.runs}" for night in each)
    yield "before: CPU hours of import and candidates", *(f"{night.first_cpu_hours:.1f}" for night in each)
    yield "candidate index in memory", *(f"{night.index_gb:.1f} GB" for night in each)
    yield (
        "DynamoDB: write units; read units",
        *(f"{n * asked['writes_a_title'] / 1e6:,.1f} M; {n * asked['reads_a_title'] / 1e6:,.1f} M" for n in used),
    )
    yield (
        "S3: PUT; GET",
        *(
            f"{night.buckets * asked['s3_puts_a_bucket']:,.0f}; {night.buckets * asked['s3_gets_a_bucket']:,.0f}"
            for night in each
        ),
    )
    yield (
        "PostgreSQL: events of a night",
        *(f"{night.runs * FIGURES['history']['bytes_a_run'] / 1e6:,.0f} MB" for night in each),
    )
    yield "**USD of the model, once**", *(f"**{n * model_usd():,.0f}**" for n in used)
    yield (
        "USD of DynamoDB, once",
        *(f"{dynamodb_usd(n * asked['writes_a_title'], n * asked['reads_a_title']):,.2f}" for n in used),
    )
    yield (
        "USD of S3 requests",
        *(
            f"{s3_usd(night.buckets * asked['s3_puts_a_bucket'], night.buckets * asked['s3_gets_a_bucket']):,.2f}"
            for night in each
        ),
    )
    yield (
        "USD of the tasks",
        *(f"{task_hours_usd(night.tasks * night.hours, TASK_VCPU, TASK_GB):,.2f}" for night in each),
    )
    yield (
        "a night in which nothing changed: USD of DynamoDB",
        *(f"{dynamodb_usd(n * asked['next_writes_a_title'], n * asked['next_reads_a_title']):,.2f}" for n in used),
    )
    yield "kept: USD a month", *(f"{kept_usd(n):,.2f}" for n in used)


def partners(messages: int) -> Iterator[tuple[str, str]]:
    """A day of requests of one title each, all by HTTP and all asked for anew."""
    of, services = FIGURES["partner"], load_prices()
    peak = messages / 86_400 * PEAK
    tasks = max(1, math.ceil(peak * of["cpu_ms_a_request"] / 1000 / USED_OF_A_CORE))
    calls = messages * (1 + STATUS_CALLS)
    puts = messages * of["s3_puts_a_request"]
    dynamodb = messages * (of["calls_a_request"] - SQS_CALLS - of["s3_puts_a_request"])
    minute = peak * 60 / FIGURES["quota"]["share_used"]
    tokens = FIGURES["prompt"]["own_tokens"] + ANALYSIS.expected_output_tokens * MODEL.output_burndown
    yield "requests/s: average; peak", f"{messages / 86_400:.1f}; {peak:.0f}"
    yield "resident tasks at the peak, of one core each", f"{tasks}"
    yield "quota at the peak: calls; tokens a minute", f"{minute:,.0f}; {minute * tokens / 1e6:,.1f} M"
    yield (
        "SQS requests",
        f"{messages * SQS_CALLS / 1e6:,.0f} M, {messages * SQS_CALLS * services.sqs_request / 1e12:,.2f} USD",
    )
    yield (
        "API Gateway calls",
        (f"{calls / 1e6:,.0f} M, {calls * services.api_call / 1e12:,.2f} USD"),
    )
    yield "workflow", f"{messages * services.workflow_start / 1e12:,.2f} USD, and what waiting takes"
    yield "DynamoDB requests, each two units", f"{dynamodb / 1e6:,.1f} M, {dynamodb_usd(2 * dynamodb, 0):,.2f} USD"
    yield "S3 PUT", f"{puts / 1e6:,.0f} M, {s3_usd(puts, 0):,.2f} USD"
    yield "tasks", f"{task_hours_usd(24 * tasks, TASK_VCPU, TASK_GB):,.2f} USD"
    yield "**the model, if nothing is in the ledger**", f"**{messages * model_usd():,.0f} USD**"
