#!/usr/bin/env bash
# One would guess: `dagster job backfill -m MODULE` that prints "Launched", ends with 0 and leaves a COMPLETED backfill
#   has put runs on their way that the daemon, which has this very module in its workspace, can start.
# True: the command makes a code location of its own from -m and names it after the module. The runs carry that name.
#   Where workspace.yaml calls the location otherwise (location_name), the daemon fails every run a moment later with
#   "Location ... does not exist in workspace". The backfill stays COMPLETED. The same command with -w works.
# Why it matters here: our workspace names its location, so an operator's -m would lose a whole night in silence.
# Seen with dagster 1.13.27:
#   -m shop: exit 0, Launched, COMPLETED, then FAILURE FAILURE;   -w workspace.yaml: exit 0, SUCCESS SUCCESS
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
daemon=
stop() {
    if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null || true; wait "$daemon" || true; daemon=; fi
}
trap 'stop; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dagster==1.13.27
export DAGSTER_HOME="$folder/home"
mkdir "$folder/home"
cd "$folder"
printf 'telemetry: {enabled: false}\nnux: {enabled: false}\n' >home/dagster.yaml
printf 'load_from:\n  - python_module: {module_name: shop, location_name: manga_shop}\n' >workspace.yaml
cat >shop.py <<'EOF'
import dagster as dg

BUCKETS = dg.StaticPartitionsDefinition(["00", "01"])


@dg.asset(partitions_def=BUCKETS)
def titles() -> None: ...


defs = dg.Definitions(assets=[titles], jobs=[dg.define_asset_job("night", [titles], partitions_def=BUCKETS)])
EOF
cat >ended.py <<'EOF'
import sys
import time

import dagster as dg

with dg.DagsterInstance.get() as instance:
    for _ in range(360):
        backfill = max(instance.get_backfills(), key=lambda each: each.backfill_timestamp)
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill.backfill_id}))
        if all(run.is_finished for run in runs):
            break
        time.sleep(0.25)
    events = [str(event.dagster_event) for run in runs for event in instance.all_logs(run.run_id)]
    missing = sum("does not exist in workspace" in event for event in events)
    print(backfill.status.value, *(run.status.value for run in runs), "location missing:", missing)
EOF

launch() {  # the command must succeed and say so
    venv/bin/dagster job backfill "$@" -j night --all all --noprompt >launched 2>&1 || { cat launched; exit 1; }
    grep -q "^Launched backfill job" launched || { cat launched; exit 1; }
}
launch -m shop
venv/bin/dagster-daemon run -w workspace.yaml >daemon.log 2>&1 &
daemon=$!
by_module=$(venv/bin/python ended.py)
launch -w workspace.yaml
by_workspace=$(venv/bin/python ended.py)
stop
venv/bin/dagster --version
echo "-m shop: exit 0, Launched, $by_module"
echo "-w workspace.yaml: exit 0, Launched, $by_workspace"
test "$by_module" = "COMPLETED FAILURE FAILURE location missing: 2"
test "$by_workspace" = "COMPLETED SUCCESS SUCCESS location missing: 0"
