"""Job `cancel_requests`: `manga-enrichment requests cancel`, for those who work in the UI.

Belongs here: run config and op. Stays out: what a mark on a row does (`pipeline/partner/cancel.py`).
"""

import dagster as dg
from pydantic import Field

from manga_enrichment.defs.shared.tags import PARTNER_LANE
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.cancel import cancel_sentence

CANCEL_JOB = "cancel_requests"


class CancelConfig(dg.Config):
    """request_ids has no default: whoever launches this says which."""

    request_ids: list[str] = Field(
        description="ids of the requests for which nothing more is to be asked", min_length=1
    )


@dg.op(description="Mark requests, so that their runs ask nothing more for them.", tags={"kind": "dynamodb"})
def mark_cancelled(
    context: dg.OpExecutionContext, config: CancelConfig, requests: dg.ResourceParam[RequestStore]
) -> None:
    said = [cancel_sentence(each, requests.cancel(each)) for each in config.request_ids]
    for sentence in said:
        context.log.info(sentence)
    context.add_output_metadata({"said": "\n\n".join(said)})


@dg.job(
    name=CANCEL_JOB,
    description="Ask nothing more for partners' requests: what is answered stays, and is billed.",
    tags=PARTNER_LANE,
)
def cancel_requests() -> None:
    mark_cancelled()
