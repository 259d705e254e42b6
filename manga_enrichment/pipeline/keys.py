"""Where things are stored: every object key of the project, in one place.

`enrichment/<table>/bucket=<b>/part.parquet` is the current state of a table, replaced whole. `enrichment/requests/` is
the append-only log. `runs/<run>/` holds a run's working files and `batch/<token>/` those of a batch job; lifecycle
rules delete both.
"""

TABLES_ROOT = "enrichment"
RUNS_ROOT = "runs"
BATCH_ROOT = "batch"


def table_key(table: str, bucket: str) -> str:
    return f"{TABLES_ROOT}/{table}/bucket={bucket}/part.parquet"


def outcomes_key(analysis: str, bucket: str) -> str:
    return f"{TABLES_ROOT}/outcomes/analysis={analysis}/bucket={bucket}/part.parquet"


def rejects_key() -> str:
    return f"{TABLES_ROOT}/catalog_rejects/part.parquet"


def requests_key(run_date: str, run_id: str, analysis: str, bucket: str) -> str:
    return f"{TABLES_ROOT}/requests/run_date={run_date}/{run_id}-{analysis}-{bucket}.parquet"


def catalog_state_key() -> str:
    """JSON beside the catalog: bucket count, source, version, report of the last import."""
    return f"{TABLES_ROOT}/catalog/_state.json"


def calibration_key(analysis: str, model_id: str) -> str:
    return f"calibration/{analysis}/{model_id.replace(':', '_')}.json"


def plan_key(run_id: str, bucket: str) -> str:
    return f"{RUNS_ROOT}/{run_id}/plan/bucket={bucket}.parquet"


def results_key(run_id: str, analysis: str, bucket: str) -> str:
    return f"{RUNS_ROOT}/{run_id}/results/{analysis}/bucket={bucket}.parquet"


def batch_key(token: str, name: str) -> str:
    return f"{BATCH_ROOT}/{token}/{name}"
