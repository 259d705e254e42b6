#!/usr/bin/env bash
# One would guess: the metadata of one MaterializeResult from a run over several partitions is kept once, for the run.
# True: Dagster writes one materialization event a partition and copies the metadata into each. A count over the whole
#   range then stands in the event log, the UI and its plots as the count of every partition, and a sum over partitions
#   is too high by their number.
# Why it matters here: nights run over ranges of buckets. Rows and costs are therefore reported by
#   context.add_asset_metadata(..., partition_key=...), bucket by bucket, and ops return nothing.
# Seen with dagster 1.13.27:
#   returned {"rows": 60}:         01 60, 02 60, 03 60   (180 rows, of which 60 exist)
#   added for each partition key:  01 10, 02 20, 03 30
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dagster==1.13.27
mkdir "$folder/home"
printf 'telemetry: {enabled: false}\n' >"$folder/home/dagster.yaml"

cat >"$folder/ranges.py" <<'EOF'
import dagster as dg

ROWS = {"00": 5, "01": 10, "02": 20, "03": 30}
BUCKETS = dg.StaticPartitionsDefinition(list(ROWS))
RANGE = {"dagster/asset_partition_range_start": "01", "dagster/asset_partition_range_end": "03"}
ONE_RUN = dg.BackfillPolicy.single_run()


@dg.asset(partitions_def=BUCKETS, backfill_policy=ONE_RUN)
def returned(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": sum(ROWS[key] for key in context.partition_keys)})


@dg.asset(partitions_def=BUCKETS, backfill_policy=ONE_RUN)
def added(context: dg.AssetExecutionContext) -> None:
    for key in context.partition_keys:
        context.add_asset_metadata({"rows": ROWS[key]}, partition_key=key)


def stored(instance, asset):
    """Rows by partition, as the event log has them."""
    records = instance.fetch_materializations(asset.key, limit=10).records
    found = {each.partition_key: each.asset_materialization.metadata["rows"].value for each in records}
    return dict(sorted(found.items()))


with dg.DagsterInstance.get() as instance:
    assert dg.materialize([returned, added], instance=instance, tags=RANGE).success
    once, each = stored(instance, returned), stored(instance, added)
print(f"dagster {dg.__version__}")
print("returned once:", once, "\nadded for each partition key:", each)
assert once == {"01": 60, "02": 60, "03": 60}, once
assert each == {"01": 10, "02": 20, "03": 30}, each
EOF
export DAGSTER_HOME="$folder/home"
"$folder/venv/bin/python" -W ignore "$folder/ranges.py" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
