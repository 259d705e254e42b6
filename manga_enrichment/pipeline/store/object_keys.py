"""Where things are stored: every object key of the project, in one place.

`enrichment/<table>/bucket=<b>/part.parquet` is the current state of a table, replaced whole. `enrichment/requests/` is
the append-only log. What partners' requests add to it, and their rows in `enrichment/partner_results/`, lie there by
hours (`hour_keys.py`). `runs/<run>/` holds a run's working files and `batch/<token>/` those of a batch job; lifecycle
rules delete both. `candidates/` is what imports, lists and plans go on from, `changes/` what tables are about to
change. `fm-requests/` holds requests as they were accepted, `fm-results/` what partners fetch, `trials/` what trials
found, `labels/` what people say is right, `again/` what they had asked again.
"""

TABLES_ROOT = "enrichment"
RUNS_ROOT = "runs"
BATCH_ROOT = "batch"
CANDIDATES_ROOT = "candidates"
LABELS_ROOT = "labels"
AGAIN_ROOT = "again"


def table_key(table: str, bucket: str) -> str:
    return f"{TABLES_ROOT}/{table}/bucket={bucket}/part.parquet"


def outcomes_key(analysis: str, bucket: str) -> str:
    return f"{TABLES_ROOT}/outcomes/analysis={analysis}/bucket={bucket}/part.parquet"


def rejects_key() -> str:
    return f"{TABLES_ROOT}/catalog_rejects/part.parquet"


def warnings_key() -> str:
    return f"{TABLES_ROOT}/catalog_warnings/part.parquet"


def tombstones_key(bucket: str) -> str:
    return table_key("catalog_tombstones", bucket)


def changes_prefix(changes: str, date: str = "") -> str:
    """What a table of changes has of one UTC day, or all days."""
    return f"{TABLES_ROOT}/{changes}/{f'date={date}/' if date else ''}"


def pending_changes_prefix(changes: str, bucket: str) -> str:
    """Changes of versions of a bucket's table that are not known to be the table's yet."""
    return f"changes/{changes}/bucket={bucket}/"


def requests_prefix(run_date: str) -> str:
    """What the requests log has of one UTC day."""
    return f"{TABLES_ROOT}/requests/run_date={run_date}/"


def requests_key(run_date: str, run_id: str, analysis: str, bucket: str, claim: str = "") -> str:
    """claim: of a request that its run logs by itself."""
    who = f"{run_id}-{claim.replace(':', '-')}" if claim else run_id
    return f"{requests_prefix(run_date)}{who}-{analysis}-{bucket}.parquet"


def costs_key(date: str) -> str:
    """The requests log of one UTC day, added up."""
    return f"{TABLES_ROOT}/enrichment_costs/date={date}/part.parquet"


def service_books_state_key() -> str:
    """JSON beside the sums of costs: what the check of the service's books warned of last."""
    return f"{TABLES_ROOT}/enrichment_costs/_service_books.json"


def catalog_state_key() -> str:
    """JSON beside the catalog: bucket count, source, version, report of the last import."""
    return f"{TABLES_ROOT}/catalog/_state.json"


def catalog_hashes_key() -> str:
    """JSON beside the catalog: which fields its content hashes are of."""
    return f"{TABLES_ROOT}/catalog/_hashes.json"


def catalog_ids_key() -> str:
    """JSON beside the catalog: titles of sources without our ids that came to the same id, and who got which."""
    return f"{TABLES_ROOT}/catalog/_ids.json"


def candidates_state_key(bucket: str) -> str:
    """JSON beside a bucket's candidate lists: what they were drawn from."""
    return f"{TABLES_ROOT}/similar_candidates/bucket={bucket}/_state.json"


def drawn_key(bucket: str) -> str:
    """What each title's list was drawn from, and the lists that wait for their turn."""
    return f"{CANDIDATES_ROOT}/drawn/bucket={bucket}.parquet"


def questions_key(bucket: str) -> str:
    """What the questions about each title were when they were last worked out."""
    return f"{CANDIDATES_ROOT}/questions/bucket={bucket}.parquet"


def known_rows_key(bucket: str) -> str:
    """Digests of the source's rows that a bucket's titles are of, and what was told of each."""
    return f"{CANDIDATES_ROOT}/known_rows/bucket={bucket}.parquet"


def index_key(name: str) -> str:
    """Of the candidate index that machines share."""
    return f"{CANDIDATES_ROOT}/index/{name}"


def calibration_key(analysis: str, model_id: str) -> str:
    return f"calibration/{analysis}/{model_id.replace(':', '_')}.means.json"


def former_calibration_key(analysis: str, model_id: str) -> str:
    """Until 0.2.0."""
    return f"calibration/{analysis}/{model_id.replace(':', '_')}.json"


def plan_key(run_id: str, bucket: str) -> str:
    return f"{RUNS_ROOT}/{run_id}/plan/bucket={bucket}.parquet"


def results_key(run_id: str, analysis: str, bucket: str) -> str:
    return f"{results_prefix(run_id)}{analysis}/bucket={bucket}.parquet"


def results_prefix(run_id: str) -> str:
    return f"{RUNS_ROOT}/{run_id}/results/"


def entries_key(run_id: str, analysis: str, bucket: str) -> str:
    """The ledger's entries that an op of a run was given."""
    return f"{RUNS_ROOT}/{run_id}/entries/{analysis}/bucket={bucket}.parquet"


def output_key(run_id: str, step: str, name: str) -> str:
    """What an op of a run hands on to others."""
    return f"{RUNS_ROOT}/{run_id}/outputs/{step}/{name}.json"


def batch_key(token: str, name: str) -> str:
    return f"{BATCH_ROOT}/{token}/{name}"


def unit_key(key: str) -> str:
    """The requests that one partner run works at."""
    return f"{RUNS_ROOT}/units/{key.replace(':', '-')}.json"


def parked_prefix(queue: str, span: str) -> str:
    return f"{RUNS_ROOT}/parked/{queue}/{span}/"


def parked_key(queue: str, span: str, request_id: str, generation: int) -> str:
    """A deferred request of a FIFO queue that is tried again within these ten minutes."""
    return f"{parked_prefix(queue, span)}{request_id}-{generation}.json"


def arrears_key(name: str) -> str:
    """What a run could not put into DynamoDB; an empty document once it is there."""
    return f"{arrears_prefix()}{name.replace(':', '-')}.json"


def arrears_prefix() -> str:
    return f"{RUNS_ROOT}/arrears/"


def run_document_key(run_id: str, name: str) -> str:
    """A working file of a partner run."""
    return f"{RUNS_ROOT}/{run_id}/partner/{name}.json"


def request_body_key(request_id: str) -> str:
    """request_id is a checked UUID, here and below."""
    return f"fm-requests/{request_id}.json"


def result_document_key(partner_id: str, request_id: str) -> str:
    """Below a prefix of the partner's own, so that rights can be given on it."""
    return f"fm-results/{partner_id}/{request_id}.json"


def old_result_document_key(request_id: str) -> str:
    """Where documents of releases before 0.3.0 are."""
    return f"fm-results/{request_id}.json"


def partner_results_prefix(date: str) -> str:
    """date: the UTC day on which the request was submitted, the same in every generation."""
    return f"{TABLES_ROOT}/partner_results/date={date}/"


def partner_latency_key(date: str) -> str:
    """date: the UTC day of the look."""
    return f"{TABLES_ROOT}/partner_latency/date={date}/part.parquet"


def queue_observations_key(date: str) -> str:
    """date: the UTC day of the observations."""
    return f"{TABLES_ROOT}/queue_observations/date={date}/part.parquet"


def report_key() -> str:
    """The report people read, of the latest materialization."""
    return "reports/enrichment_report.html"


def report_figures_key() -> str:
    """The figures of each day's report, so that the next can say what changed."""
    return "reports/figures.json"


def labels_key(analysis: str) -> str:
    """All that people have said of an analysis, oldest first."""
    return f"{LABELS_ROOT}/analysis={analysis}/part.parquet"


def again_key(bucket: str) -> str:
    """All that people had asked again of a bucket's titles, oldest first."""
    return f"{AGAIN_ROOT}/bucket={bucket}/part.parquet"


def trial_key(trial_id: str, name: str) -> str:
    """What a trial found: its page, and its figures as JSON."""
    return f"trials/{trial_id}/{name}"


def conversation_turn_key(session: str, number: int, request_id: str) -> str:
    """session: a hash. Turns sort by number."""
    return f"{conversation_prefix(session)}{number:06d}-{request_id}.json"


def conversation_prefix(session: str) -> str:
    return f"fm-conversations/{session}/"


def forgotten_key(name: str) -> str:
    """What was forgotten, to be forgotten again after a restore."""
    return f"{forgotten_prefix()}{name}.json"


def forgotten_prefix() -> str:
    return "forgotten/"
