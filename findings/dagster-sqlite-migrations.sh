#!/usr/bin/env bash
# One would guess: a process that reads logs of runs from Dagster's SQLite storage opens their files, and that is all.
# True: there is a file per run, and the first time that an instance opens one it looks whether its schema is the newest.
#   For that alembic runs all of Dagster's migration scripts, 88 new modules and some 1,300 objects, anew for each file.
#   Modules are cycles: they stay until Python looks at everything, which it does once what is new is more than a quarter
#   of what stays. Besides, alembic looks up the folder of its scripts each time, and notes an exit handler for it: 14
#   objects, 1.6 KB, that stay as long as the process does. A sensor gets a new instance at each tick, so it does all this
#   again for files it has read before.
# Why it matters here: on SQLite most of what made daemon and webserver grow for hours was such garbage, and code servers
#   grew by 6 MB an hour without end. Servers set aside what they have loaded (gc.freeze), so that looking at everything
#   costs little and comes soon, and alembic's function remembers its answer (functools.cache).
# Seen with dagster 1.13.27, alembic 1.20.1, Python 3.11:
#   88 scripts; reading 5 logs made [616, 616, 616] modules; after gc.collect() 0 of them
#   were left, and 21 exit handlers; where the function remembers: 0
set -euo pipefail
unset PYTHONPATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dagster==1.13.27 alembic==1.20.1
export DAGSTER_HOME="$folder/home"
mkdir "$folder/home"
printf 'telemetry: {enabled: false}\nnux: {enabled: false}\n' >"$folder/home/dagster.yaml"
cd "$folder"
cat >look.py <<'EOF'
import gc
import types
from contextlib import ExitStack
from functools import cache
from importlib import metadata
from pathlib import Path

import dagster as dg
from alembic import util

LOGS = 5


@dg.op
def rest() -> None: ...


@dg.job
def resting() -> None:
    rest()


def modules() -> int:
    return sum(isinstance(each, types.ModuleType) for each in gc.get_objects())


def handlers() -> int:
    gc.collect()
    return sum(isinstance(each, ExitStack) for each in gc.get_objects())


def look(run_ids: list[str]) -> int:
    """How many modules it makes to read these logs once."""
    before = modules()
    with dg.DagsterInstance.get() as instance:
        assert all(instance.all_logs(run_id) for run_id in run_ids)
    return modules() - before


with dg.DagsterInstance.get() as instance:
    run_ids = [resting.execute_in_process(instance=instance).run_id for _ in range(LOGS)]
gc.collect()
gc.disable()  # so that all can be counted
at_first, handlers_at_first = modules(), handlers()
made = [look(run_ids) for _ in range(3)]
kept = handlers() - handlers_at_first
left = modules() - at_first
util.coerce_resource_to_filename = cache(util.coerce_resource_to_filename)
look(run_ids)
before = handlers()
look(run_ids)
kept_when_remembered = handlers() - before
versions = Path(dg.__file__).parent / "_core/storage/alembic/versions"
scripts = len([file for file in versions.glob("*.py") if file.stem != "__init__"])
print(f"dagster {dg.__version__}, alembic {metadata.version('alembic')}")
print(f"{scripts} scripts; reading {LOGS} logs made {made} modules")
print(f"after gc.collect() {left} were left, and {kept} exit handlers; where it remembers: {kept_when_remembered}")
assert all(each >= LOGS * scripts for each in made)
assert left == 0
assert kept >= 3 * LOGS
assert kept_when_remembered == 0
EOF
venv/bin/python look.py 2>/dev/null
