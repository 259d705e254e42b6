"""What the code location offers, as plain values: a change of `definitions_snapshot.json` is one that users see.

Belongs here: putting definitions into words, and renewing the file:
`python -m manga_enrichment_tests.defs.definitions_snapshot`. Stays out: comparing (`test_definitions.py`).

Texts (descriptions) are left out: they change often, and nothing depends on them. `after`: what an op waits for.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.settings import Settings

SNAPSHOT = Path(__file__).with_suffix(".json")
SETTINGS = Settings(catalog_buckets=4, buckets_per_run=3)


def snapshot_text() -> str:
    """The file as it should be."""
    return json.dumps(snapshot_of(build_definitions(SETTINGS)), indent=1, sort_keys=True) + "\n"


def snapshot_of(definitions: dg.Definitions) -> dict[str, Any]:
    repository = definitions.get_repository_def()
    keys = [spec.key for spec in definitions.resolve_all_asset_specs()]
    made = [definitions.resolve_assets_def(key) for key in keys]
    nodes = [assets.node_def for assets in made if assets.is_executable]
    jobs = [definitions.resolve_job_def(name) for name in repository.job_names if not name.startswith("__")]
    graphs = [*nodes, *(job.graph for job in jobs if not job.asset_layer.executable_asset_keys)]
    return {
        "assets": {key.to_user_string(): _asset(definitions.resolve_assets_def(key), key) for key in keys},
        "checks": sorted(_check(spec) for each in definitions.asset_checks or () for spec in each.check_specs),
        "graphs": {graph.name: _ops(graph) for graph in graphs},
        "jobs": {job.name: _job(job) for job in jobs},
        "schedules": {each.name: _schedule(each) for each in repository.schedule_defs},
        "sensors": {each.name: _sensor(each) for each in repository.sensor_defs},
        "resources": {key: type(value).__name__ for key, value in (definitions.resources or {}).items()},
    }


def _asset(made_by: dg.AssetsDefinition, key: dg.AssetKey) -> dict[str, Any]:
    spec = made_by.get_asset_spec(key)
    return {
        "group": spec.group_name,
        "kinds": sorted(spec.kinds),
        "owners": list(spec.owners),
        "tags": {name: value for name, value in spec.tags.items() if not name.startswith("dagster/kind/")},
        "deps": {each.asset_key.to_user_string(): _mapping(each) for each in spec.deps},
        "partitions": repr(spec.partitions_def),
        "backfill": repr(made_by.backfill_policy),
        "code_version": spec.code_version,
        "metadata": sorted(spec.metadata),
        "made_by": made_by.node_def.name if made_by.is_executable else None,
    }


def _mapping(dependency: dg.AssetDep) -> str | None:
    mapping = dependency.partition_mapping
    return None if mapping is None else type(mapping).__name__  # one without parameters is an empty tuple


def _ops(graph: object) -> dict[str, Any]:
    """By name; an asset of one op is a graph of that op."""
    if isinstance(graph, dg.OpDefinition):
        return {graph.name: _op(graph, ())}
    assert isinstance(graph, dg.GraphDefinition)
    before: dict[str, set[str]] = {node.name: set() for node in graph.nodes}
    for invocation, inputs in graph.dependencies.items():
        for each in inputs.values():
            before[invocation.name].update(output.node for output in each.get_node_dependencies())
    return {node.name: _op(node.definition, before[node.name]) for node in graph.nodes}


def _op(op: object, before: Collection[str]) -> dict[str, Any]:
    assert isinstance(op, dg.OpDefinition)
    return {
        "after": sorted(before),
        "pool": op.pool,
        "tags": dict(op.tags),
        "tries": op.retry_policy.max_retries + 1 if op.retry_policy else 1,
        "resources": sorted(op.required_resource_keys),
        "outs": sorted(op.output_dict),
    }


def _check(spec: dg.AssetCheckSpec) -> str:
    return f"{spec.asset_key.to_user_string()}: {spec.name}{' (blocking)' if spec.blocking else ''}"


def _job(job: dg.JobDefinition) -> dict[str, Any]:
    return {
        "assets": sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys),
        "tags": dict(job.tags),
        "executor": job.executor_def.name,
    }


def _schedule(schedule: dg.ScheduleDefinition) -> dict[str, Any]:
    return {
        "cron": schedule.cron_schedule,
        "timezone": schedule.execution_timezone,
        "job": schedule.job_name,
        "status": schedule.default_status.value,
    }


def _sensor(sensor: dg.SensorDefinition) -> dict[str, Any]:
    return {
        "seconds": sensor.minimum_interval_seconds,
        "jobs": sorted(target.job_name for target in sensor.targets),
        "status": sensor.default_status.value,
        "resources": sorted(sensor.required_resource_keys),
    }


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot_text(), "utf-8")
