"""docs/capacity.md, reckoned from what was measured: `python -m benchmarks.capacity > docs/capacity.md`."""

from collections.abc import Iterator

from benchmarks.capacity.needs import (
    ANALYSIS,
    CONCURRENCY,
    FIGURES,
    HOURS_OF_A_MONTH,
    LATENCY_SECONDS,
    MODEL,
    NIGHT_HOURS,
    PEAK,
    PRICES,
    SERVERS_GB,
    SERVERS_VCPU,
    TASK_GB,
    TASK_VCPU,
    TASKS_OF_A_NIGHT,
    USED_OF_A_CORE,
    Night,
    model_usd,
    nights,
    partners,
    standing_usd,
    task_hours_usd,
)

PAGE = """\
# Capacity

What a catalog and partners of some size need. Printed by `python -m benchmarks.capacity`, which reckons it from
`benchmarks/capacity/figures.toml`: what was measured on one machine with the emulator, each figure with its source, and
list prices of us-east-1 as of {as_of}. Nothing here was run on AWS at this size: take it for the order of magnitude,
and `manga-enrichment estimate` for your own catalog.

## A first night

Every title asked for once, in four parts (`full_enrichment`), of `{model}`: {micro_usd:,.0f} µUSD a title
({fixed:,} tokens read from the cache, {own:,} of its own, {answered} answered). A task has {concurrency} calls in
flight. That an answer takes {latency:g} s is taken, not measured; so a task does {rate:.0f} titles/s at {core:.0f} % of
its core. There are as many tasks as end within {hours:g} hours, at most {most} (`night` in `deploy/dagster.yaml`).

{nights}

- The quota decides: ask AWS for it before the night, and tell it (`MANGA_REQUESTS_PER_MINUTE`,
  `MANGA_TOKENS_PER_MINUTE`). With half of it the night takes twice as long, and nothing else changes. A daily budget
  that is spent is the same: the next night goes on.
- A task has {gb:g} GB. The index of 10 M titles does not fit: give runs more (`run_resources` of `deploy/dagster.yaml`
  together with `RunTask` of `infra/dagster.yaml`). It was measured at a million titles, and reckoned from there.
- At half the price, and without a quota by the minute: batch jobs ([batch.md](batch.md)), of models that have a batch
  price.

## A million partner messages a day

Requests of one title each over HTTP, with peaks of {peak:g} times the average. A core is used to {used:.0%}, since
these are answered within seconds.

{partners}

`MANGA_QUEUE_MAX_RUNS` (20) and the limit of `manga/resident` (44) are far above that. The API's limit of 200 requests/s
(`ApiRequestsPerSecond`) and each key's own (10 a second, 20,000 a day) come first: set them by partner.

## What stands there

{standing:,.0f} USD a month when nothing happens: code server, webserver and daemon ({vcpu:g} vCPU, {servers_gb:g} GB),
two resident runs, the database (db.t4g.medium in one zone, 20 GB), the load balancer and a NAT gateway. Without
partners switch the sensor `partner_residents` off: {residents:,.0f} USD less.

## Several tasks and one quota

Measured on the loopback ECS, each task a process of its own ([benchmarks.md](benchmarks.md)): four did {four:.2f} times
the titles/s of one where no quota stopped them. Of a quota that they are told four used {by_four:.1%} and eight
{by_eight:.1%}, and nothing was refused. Up to 32 senders are simulated in virtual time
([shares of a quota](benchmarks.md#shares-of-a-quota)). On ECS itself nothing of it was measured.
"""


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def page() -> str:
    rate = Night(1).rate_of_a_task
    residents = task_hours_usd(HOURS_OF_A_MONTH, 2 * TASK_VCPU, 2 * TASK_GB)
    return PAGE.format(
        as_of=PRICES["as_of"].isoformat(),
        model=MODEL.model_id,
        micro_usd=model_usd() * 1e6,
        fixed=FIGURES["prompt"]["fixed_tokens"],
        own=FIGURES["prompt"]["own_tokens"],
        answered=ANALYSIS.expected_output_tokens,
        concurrency=CONCURRENCY,
        latency=LATENCY_SECONDS,
        rate=rate,
        core=rate * FIGURES["night"]["cpu_ms_a_title"] / 10,
        hours=NIGHT_HOURS,
        most=TASKS_OF_A_NIGHT,
        nights=table(("", "1 M titles", "10 M titles"), nights()),
        gb=TASK_GB,
        peak=PEAK,
        used=USED_OF_A_CORE,
        partners=table(("", "1 M messages a day"), partners(1_000_000)),
        standing=standing_usd(),
        vcpu=SERVERS_VCPU,
        servers_gb=SERVERS_GB,
        residents=residents,
        four=FIGURES["fleet"]["four_tasks_times_one"],
        by_four=FIGURES["fleet"]["share_used_by_four"],
        by_eight=FIGURES["fleet"]["share_used_by_eight"],
    )


if __name__ == "__main__":
    print(page(), end="")
