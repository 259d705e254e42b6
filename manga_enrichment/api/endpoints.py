"""The endpoints of the request front, as one table.

Belongs here: paths, methods, documents, statuses, templates. Stays out: the templates' text (`templates/`), how the
table becomes CloudFormation (`rest_api.py`) or OpenAPI (`openapi/document.py`).

API Gateway picks an integration response by the HTTP status that Step Functions or DynamoDB answers. Both answer 400 to
a throttled request as well as to a wrong one, so one template reads the error's type and overrides the status: a
selection pattern alone cannot tell them apart. A workflow that ran is a 200 whatever came of it, so its output says the
status. What no pattern matches is a 500.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Service(StrEnum):
    """What an integration calls: a workflow, or one action of DynamoDB."""

    STATES = "states"
    DYNAMODB = "dynamodb"
    UPDATE = "dynamodb_update"
    QUERY = "dynamodb_query"
    BATCH_GET = "dynamodb_batch_get"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class IntegrationAnswer:
    """status: what the partner sees. pattern: statuses of the service that lead here; "" for all that nothing matches.

    template: file of `templates/` without its ending. overrides: other statuses the template may choose.
    """

    status: int
    pattern: str
    template: str
    overrides: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. schema: the request document of its body; None when it has none.

    sent_as: schema of its message, where that is another. API Gateway then only sees to it that the body is an object,
    so that a worker can tell all its faults.
    """

    name: str
    method: str
    path: str
    service: Service
    request_template: str
    answers: tuple[IntegrationAnswer, ...]
    summary: str
    schema: str | None = None
    description: str = ""
    sent_as: str | None = None
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    query_parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status that a template of this endpoint can lead to."""
        return tuple(sorted({status for each in self.answers for status in (each.status, *each.overrides)}))


_SUBMITTED = (
    IntegrationAnswer(202, "200", "answered_202", overrides=(200, 400, 404, 409, 502, 503)),
    IntegrationAnswer(429, "429|503", "throttled_429"),
    IntegrationAnswer(500, "", "start_error_500", overrides=(413, 429)),
)
_LOOKED_UP = (
    IntegrationAnswer(200, "200", "status_200", overrides=(404,)),
    IntegrationAnswer(429, "429|503", "throttled_429"),
    IntegrationAnswer(500, "", "table_error_500", overrides=(404, 429)),
)
_FETCHED = (
    IntegrationAnswer(200, "200", "results_200", overrides=(500,)),
    IntegrationAnswer(404, "404", "results_404"),
    IntegrationAnswer(429, "429|503", "throttled_429"),
    IntegrationAnswer(500, "", "results_500"),
)

_CANCELLED = (
    IntegrationAnswer(202, "200", "cancel_202"),
    IntegrationAnswer(429, "429|503", "throttled_429"),
    IntegrationAnswer(500, "", "cancel_error_500", overrides=(202, 404, 409, 429)),
)


def _counted(template: str) -> tuple[IntegrationAnswer, ...]:
    """Of what is asked with parameters that DynamoDB refuses when they are wrong."""
    return (
        IntegrationAnswer(200, "200", template),
        IntegrationAnswer(429, "429|503", "throttled_429"),
        IntegrationAnswer(500, "", "query_error_500", overrides=(400, 429)),
    )


ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        each.name: each
        for each in (
            Endpoint(
                name="batch",
                method="POST",
                path="/v1/manga/batch",
                service=Service.STATES,
                request_template="batch_request",
                answers=_SUBMITTED,
                schema="batch_analysis",
                summary="Have up to 100 titles analysed",
                description="Goes to the queue of its priority. Answered at once unless `Prefer: wait` is sent.",
            ),
            Endpoint(
                name="query",
                method="POST",
                path="/v1/manga/query",
                service=Service.STATES,
                request_template="query_request",
                answers=_SUBMITTED,
                schema="manga_query",
                summary="Ask one question about manga",
                description="Questions of one conversation, session or user are answered in the order they came in.",
            ),
            Endpoint(
                name="chat",
                method="POST",
                path="/v1/manga/chat",
                service=Service.STATES,
                request_template="chat_request",
                answers=_SUBMITTED,
                schema="streaming_chat",
                summary="Have a conversation continued",
                description="`stream` is accepted and has no effect: the whole answer comes as one document.",
            ),
            Endpoint(
                name="quote",
                method="POST",
                path="/v1/manga/quote",
                service=Service.STATES,
                request_template="quote_request",
                answers=_SUBMITTED,
                schema="batch_analysis",
                sent_as="batch_quote",
                summary="What a batch would come to",
                description=(
                    "The same body as for a batch. Nothing is asked or billed: the answer has all faults with their "
                    "places, or tokens and cost, and what is there already and so free. Waits up to 10 seconds unless "
                    "`Prefer` says otherwise; what took longer the same POST with its Idempotency-Key tells, and "
                    "`quote` of the result document."
                ),
            ),
            Endpoint(
                name="status",
                method="GET",
                path="/v1/manga/status/{request_id}",
                service=Service.DYNAMODB,
                request_template="status_request",
                answers=_LOOKED_UP,
                summary="What has become of a request",
                description="Known from the POST's answer on; 404 for requests of other partners.",
                path_parameters={"request_id": "The id that the request was answered with."},
            ),
            Endpoint(
                name="list",
                method="GET",
                path="/v1/manga/requests",
                service=Service.QUERY,
                request_template="list_request",
                answers=_counted("list_200"),
                summary="Your requests, the newest first",
                description="A page; `next_path` leads to the next. What was accepted just now may show later.",
                query_parameters={
                    "limit": "Requests of a page, 1 to 100; 20 unless told.",
                    "after": "As `next_path` has it.",
                    "submitted_at": "As `next_path` has it.",
                },
            ),
            Endpoint(
                name="cancel",
                method="DELETE",
                path="/v1/manga/requests/{request_id}",
                service=Service.UPDATE,
                request_template="cancel_request",
                answers=_CANCELLED,
                summary="Cancel a request",
                description=(
                    "Nothing more is asked for it within seconds; what is answered stays and is billed. It ends as "
                    "`cancelled`, with document and callback, once a worker has seen the wish, or as it would "
                    "have when all was answered by then. Cancelling twice is no error."
                ),
                path_parameters={"request_id": "The id that the request was answered with."},
            ),
            Endpoint(
                name="usage",
                method="GET",
                path="/v1/manga/usage",
                service=Service.BATCH_GET,
                request_template="usage_request",
                answers=_counted("usage_200"),
                summary="What you used and spent in a month",
                description=(
                    "Money by day, in no particular order, is what caps count, late by a minute or a run's length; "
                    "requests, items and tokens count when a request ends. Months are UTC's and are kept for 13 months."
                ),
                query_parameters={"month": "YYYY-MM; this month unless told."},
            ),
            Endpoint(
                name="results",
                method="GET",
                path="/v1/manga/results/{request_id}",
                service=Service.S3,
                request_template="results_request",
                answers=_FETCHED,
                summary="The answers to a request",
                description=(
                    "The whole result document, once the status is one of the ends; 404 before, and for requests of "
                    "other partners. Up to 10 MB."
                ),
                path_parameters={"request_id": "The id that the request was answered with."},
            ),
        )
    }
)
