"""Opening Dagster's SQLite storage again and again leaves nothing in the process that does it."""

import subprocess
import sys

import pytest

_OPEN_AGAIN_AND_AGAIN = """
import gc, sys, tempfile
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
from manga_enrichment.runtime.migration_scripts import look_up_once

def kept():
    gc.collect()
    return sum(isinstance(each, ExitStack) for each in gc.get_objects())

if "once" in sys.argv:
    look_up_once()
with tempfile.TemporaryDirectory() as folder:
    config = Path(folder) / "dagster.yaml"
    config.write_text("telemetry: {enabled: false}")
    def open_and_close():
        with dg.DagsterInstance.from_config(folder) as instance:
            assert instance.get_runs_count() == 0
    open_and_close()
    before = kept()
    for _ in range(5):
        open_and_close()
    print(kept() - before)
"""


@pytest.mark.slow
def test_what_alembic_keeps_for_each_look_at_its_scripts_is_kept_once() -> None:
    """Without, it is two for each time."""
    done = subprocess.run(
        [sys.executable, "-c", _OPEN_AGAIN_AND_AGAIN, "once"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "0"
