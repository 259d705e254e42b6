"""The partners' part of `make demo`: batches of data/batches/ sent, answered, fetched, and called back.

Belongs here: which batches, how each is sent, the account of what became of them, read back from the status table,
the results bucket, the dead-letter queue's reasons and the receiver's own record. Stays out: running the lane
(`lane.py`), the nightly job (`run.py`).
"""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.states import is_final
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.demo.over_http import send_over_http
from manga_enrichment.local.demo.own_batches import batches_for
from manga_enrichment.local.demo.stages import Progress, ProgressFile, Stage
from manga_enrichment.local.stack.callback_receiver import ReceivedCallback, read_callbacks
from manga_enrichment.local.stack.endpoints import LocalEndpoints
from manga_enrichment.local.stack.state_folder import StateFolder
from manga_enrichment.pipeline.partner.submit import submit
from manga_enrichment.runtime.shipped import shipped
from manga_enrichment.settings import Settings, request_policy

PARTNER = "acme"
PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Site:
    """What a batch is sent with and watched through."""

    endpoints: LocalEndpoints
    settings: Settings
    gateways: Gateways
    callbacks: Path


Send = Callable[[Site, Path], str]
"""Sends the request in a file and returns its request id."""


@dataclass(frozen=True, slots=True)
class ExampleBatch:
    """via: how the request reached the queue, for the account."""

    file: str
    via: str
    send: Send


@dataclass(slots=True)
class BatchReport:
    """What became of one batch; the demo's JSON line has the same names.

    result: URI of the document that the partner fetches. callbacks: events that the receiver got for it; verified: of
    those, the ones whose signature it could verify.
    """

    file: str
    via: str
    request_id: str
    status: str = "not seen"
    items: int = 0
    answered: int = 0
    reused: int = 0
    cost_usd: float = 0.0
    reason: str = ""
    result: str = ""
    callbacks: int = 0
    verified: int = 0
    ended: bool = field(default=False, repr=False)


def send_to_queue(site: Site, file: Path, *, check: bool = True) -> str:
    """As a trusted program of a partner does that writes to the queue itself. check False: whatever is in the file."""
    body = json.loads(file.read_text("utf-8"))
    body.setdefault("callback_url", site.endpoints.callback_url)
    request_id = str(uuid.uuid4())
    submit(
        site.gateways.queues,
        "batch_analysis",
        body,
        partner_id=PARTNER,
        request_id=request_id,
        now=site.gateways.clock.now(),
        check=check,
        policy=request_policy(site.settings),
        source="demo",
    )
    return request_id


def send_unchecked(site: Site, file: Path) -> str:
    return send_to_queue(site, file, check=False)


def send_to_api(site: Site, file: Path) -> str:
    return send_over_http(site.endpoints, file)


EXAMPLES: Sequence[ExampleBatch] = (
    ExampleBatch("good.json", "SQS", send_to_queue),
    ExampleBatch("with_a_bad_item.json", "SQS", send_to_queue),
    ExampleBatch("malformed.json", "SQS", send_unchecked),
    ExampleBatch("over_http.json", "HTTP", send_to_api),
)


def run_examples(
    endpoints: LocalEndpoints,
    settings: Settings,
    gateways: Gateways,
    state_dir: Path,
    lane: InProcessLane,
    progress: ProgressFile,
) -> list[BatchReport]:
    """Send every example and work until each has ended and its partner knows, or the time is over."""
    site = Site(endpoints, settings, gateways, StateFolder(state_dir).callbacks)
    buckets = bucket_keys(settings.catalog_buckets)
    batches = batches_for(gateways.tables, buckets, shipped("data/batches"), state_dir / "batches")
    reports = [BatchReport(each.file, each.via, each.send(site, batches / each.file)) for each in EXAMPLES]
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        lane.work()
        for report in reports:
            _look(site, report)
        progress.tell(Progress(Stage.BATCHES, sum(report.ended for report in reports), len(reports)))
        if all(report.ended for report in reports) or time.monotonic() > until:
            return reports
        time.sleep(_POLL_SECONDS)


def _look(site: Site, report: BatchReport) -> None:
    row = site.gateways.requests.get(report.request_id)
    if row is None:
        return
    report.status = row.state.value
    report.items = row.counts.get("items", 0)
    report.answered = row.counts.get(Outcome.SUCCEEDED.value, 0)
    report.cost_usd = usd(row.cost_micro_usd)
    report.reason = row.reason
    report.ended = is_final(row.state) and row.callback_state != CallbackState.PENDING.value
    _read_result(site, report, row)
    heard = [each for each in read_callbacks(site.callbacks) if _is_about(each, report.request_id)]
    report.callbacks = len(heard)
    report.verified = sum(not each.problem for each in heard)


def _read_result(site: Site, report: BatchReport, row: RequestRow) -> None:
    document = site.gateways.tables.read_json(row.result_key) if row.result_key else None
    if document is not None:
        report.result = site.gateways.tables.uri(row.result_key)
        report.reused = sum(bool(item["from_cache"]) for item in document["items"])


def _is_about(callback: ReceivedCallback, request_id: str) -> bool:
    return callback.event.get("request_id") == request_id


def show_batches(console: Console, reports: Sequence[BatchReport]) -> None:
    table = Table(title=f"Batches of a partner ({PARTNER})")
    for heading in ("batch", "status", "answered", "reused", "USD"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("batch", "status") else "right")
    for each in reports:
        table.add_row(f"{_name(each)} ({each.via})", each.status, *_numbers(each))
    console.print(table)
    called = [each for each in reports if each.callbacks]
    right = sum(each.verified == each.callbacks for each in called)
    console.print(
        f"Callbacks: {len(called)} of {len(reports)} batches asked for one; {right} came with a right signature."
    )
    for each in reports:
        if each.reason:
            console.print(f"{_name(each)}: {escape(each.reason)}")
    console.print("The documents that partners fetch:")
    for result in filter(None, (each.result for each in reports)):
        console.print(f"  {result}", soft_wrap=True)  # an address is one word, however long


def _name(report: BatchReport) -> str:
    return report.file.removesuffix(".json")


def _numbers(report: BatchReport) -> tuple[str, str, str]:
    if not report.items:
        return "none", "", ""
    return f"{report.answered} of {report.items}", str(report.reused), f"{report.cost_usd:.6f}"
