"""The request front of the local stack, for tests: partners with keys of their own, queues behind it, its contract."""

import uuid
from typing import Any

from jsonschema import Draft202012Validator

from manga_enrichment.api.openapi.document import openapi_document
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.gateways.queue import Message
from manga_enrichment.local.api_client import ApiClient, api_url
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.analyses import FOR_PARTNERS

AT_ONCE = {"Prefer": "respond-async"}
LIMITS = {"throttle": {"rateLimit": 10_000.0, "burstLimit": 10_000}}
DOCUMENT = openapi_document(FOR_PARTNERS)


class Front:
    """The API of the local stack and the queues behind it."""

    def __init__(self, stack: LocalStack) -> None:
        self.url = api_url(stack.endpoints.emulator_url, stack.outputs)
        self.stage = {"apiId": stack.outputs["ApiId"], "stage": stack.outputs["ApiStageName"]}
        self.apigateway = stack.client("apigateway")
        self.queues = SqsQueues(stack.client("sqs"))

    def partner(self, **limits: Any) -> tuple[ApiClient, str]:
        """A partner with a plan of its own, and the id that it has without a name."""
        key = self.key(**limits)
        return ApiClient(self.url, key["value"]), str(key["id"])

    def key(self, **limits: Any) -> dict[str, Any]:
        """A new API key with a plan of its own: `id` and `value`."""
        plan = self.apigateway.create_usage_plan(name=str(uuid.uuid4()), apiStages=[self.stage], **limits)
        key = self.apigateway.create_api_key(name=str(uuid.uuid4()), enabled=True)
        self.apigateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
        return dict(key)

    def take_all(self) -> list[Message]:
        """Everything in any queue, removed."""
        taken: list[Message] = []
        for queue in QUEUES:
            while messages := self.queues.receive(queue, max_messages=100, wait_seconds=0):
                self.queues.delete(queue, [message.receipt_handle for message in messages])
                taken += messages
        return taken


def documented(path: str, method: str, status: int, document: dict[str, Any]) -> None:
    """The answer is one that the OpenAPI document has, and looks as it says."""
    answer = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]
    schema = answer["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(document)
