"""Every run and every resident holds what loading the definitions imports: what few ops need is not among it."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HEAVY = {"duckdb", "matplotlib", "PIL", "scipy", "sparse_dot_topn"}
_SCRIPT = """
import json, sys
from manga_enrichment.assembly import build_definitions
definitions = build_definitions()
definitions.resolve_job_def("partner_resident_job")
print(json.dumps(sorted(sys.modules)))
"""


def test_definitions_are_loaded_without_what_only_the_report_and_the_candidates_need() -> None:
    loaded = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    modules = set(json.loads(loaded.stdout.splitlines()[-1]))
    assert {"manga_enrichment.pipeline.candidates.pairs", "manga_enrichment.defs.report.assets"} <= modules
    assert modules & HEAVY == set()
