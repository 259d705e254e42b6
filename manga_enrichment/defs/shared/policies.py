"""Who retries what: the four retry layers, in one place.

1. The *engine* (`pipeline/engine/call_loop.py`) retries single requests to the model, by error class, within its
   deadline. It is the only layer that pays again, and only where `domain/outcomes/error_classes.py` says so.
2. The *op* retries when a whole analysis got nowhere: the model was unreachable, throttled to the deadline or timed
   out for a large share of the titles, and MANGA_DEADLINE_SECONDS, which bound all its tries, are not over. A second
   try finds what was answered in the ledger and pays only for the rest. Every op, asset and check that reads or
   writes a store does so too while that is away.
3. The *run* is retried by the daemon only when its process died (`run_retries` in dagster.yaml, with
   `retry_on_asset_or_op_failure: false`), again continuing from the ledger.

4. The *night* launches what failed once more, ten minutes after its last failure (`defs/enrichment/night_sensor.py`).

A permanent failure (access denied, unknown model, wrong setting) stops all four: `final_failure`.

Belongs here: pools, what the end of an op's work means for its retries. Stays out: the table of rules
(`pipeline/engine/retry_rules.py`), what operators are told to do (`domain/operations/incidents.py`).
"""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.incidents import ADVICE
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, ModelError
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.retry_rules import THROTTLING, retry_rule

CATALOG_POOL = "catalog"

OP_RETRY_POLICY = dg.RetryPolicy(
    max_retries=THROTTLING.tries - 1,
    delay=THROTTLING.first_wait_seconds,
    backoff=dg.Backoff.EXPONENTIAL,
    jitter=dg.Jitter.PLUS_MINUS,
)
"""For exceptions: S3, DynamoDB or Bedrock is away for longer than its gateway retries. The table decides the rest."""


IS_FINAL = "is_final"
"""Metadata of a failure that nothing tries again."""


def final_failure(sentence: str, **metadata: str) -> dg.Failure:
    return dg.Failure(sentence, metadata={IS_FINAL: True, **metadata}, allow_retries=False)


def retry_if_hopeful(context: dg.OpExecutionContext, report: InvokeReport, left_seconds: float) -> None:
    """Raises RetryRequested when another try of the op may do better, and would begin within `left_seconds`."""
    rule = retry_rule(report)
    if rule is not None and context.retry_number < rule.tries - 1:
        jitter = random.Random(f"{context.run_id}{context.retry_number}").random()  # noqa: S311
        wait_seconds = rule.wait_seconds(context.retry_number, jitter)
        if wait_seconds >= left_seconds:
            context.log.warning(f"{report.analysis}: {report.error_classes}; MANGA_DEADLINE_SECONDS are over")
            return
        context.log.warning(f"{report.analysis}: {report.error_classes} of {report.titles} titles; trying the op again")
        raise dg.RetryRequested(max_retries=rule.tries - 1, seconds_to_wait=wait_seconds)


def permanent_failure(report: InvokeReport) -> str | None:
    """One sentence when no title of this analysis can succeed until someone mends something."""
    if not report.stopped_by or not TREATMENTS[ErrorClass(report.stopped_by)].stops_analysis:
        return None
    advice = ADVICE[report.stopped_by]
    return f"{report.analysis} stopped ({report.stopped_by}): {report.stopped_message}. To mend it: {advice}"


@contextmanager
def configuration_errors_are_final(left_seconds: Callable[[], float] = lambda: math.inf) -> Iterator[None]:
    """Turn what is wrong or away into a Failure with the sentence as its description.

    A ConfigurationError nothing retries; a model or a store that is away may come back, so the op's policy decides,
    as long as some of the op's time is left.
    """
    try:
        yield
    except ConfigurationError as error:
        raise final_failure(str(error)) from error
    except (ModelError, StoreUnavailableError) as error:
        raise dg.Failure(str(error), allow_retries=left_seconds() > THROTTLING.first_wait_seconds) from error


def store_check(**of_check: Any) -> Callable[[Callable[..., Any]], dg.AssetChecksDefinition]:
    """`dg.asset_check` for one that reads a store: tried again while that is away; a wrong setting is said at once.

    of_check: what `dg.asset_check` takes.
    """

    def define(check: Callable[..., Any]) -> dg.AssetChecksDefinition:
        return dg.asset_check(retry_policy=OP_RETRY_POLICY, **of_check)(configuration_errors_are_final()(check))

    return define
