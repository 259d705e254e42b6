"""The endpoints of the request front, as one table.

Belongs here: paths, methods, documents, statuses, templates. Stays out: the templates' text (`templates/`), how the
table becomes CloudFormation (`rest_api.py`) or OpenAPI (`openapi.py`).

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
    """What an integration calls."""

    STATES = "states"
    DYNAMODB = "dynamodb"


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
    """One method of one path. schema: the request document of its body; None when it has none."""

    name: str
    method: str
    path: str
    service: Service
    request_template: str
    answers: tuple[IntegrationAnswer, ...]
    summary: str
    schema: str | None = None
    description: str = ""
    path_parameters: Mapping[str, str] = field(default_factory=dict)

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
        )
    }
)
