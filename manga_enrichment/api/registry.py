"""The mapping templates by endpoint: looked up, added, checked, and put together for API Gateway.

Belongs here: which template serves what. Stays out: their text (`templates/*.vtl`), how they are checked
(`checking.py`), the resources around them (`rest_api.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from manga_enrichment.api.checking import problems_of
from manga_enrichment.api.endpoints import ENDPOINTS, Endpoint, Service

CONTENT_TYPE = "application/json"
PARTNERS_PLACEHOLDER = "#set($partners = {})"
"""The line that `with_partners` fills in."""

SUBMISSION = "submission"
"""What the request templates of all POSTs end with."""

_WORKFLOW_MS, _TABLE_MS = 29_000, 10_000
_OBJECT_PATH = {
    "integration.request.path.partner": "context.identity.apiKeyId",
    "integration.request.path.document": "method.request.path.request_id",
}
"""Parts of an object's path; the request template says other ones."""

_PACKAGE = "manga_enrichment.api"


class UnknownTemplateError(LookupError):
    """There is no such endpoint, or it has no template for this status."""


@dataclass(frozen=True, slots=True)
class TemplateKey:
    """status: None for the request template, otherwise the status that the response template answers with."""

    endpoint: str
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.endpoint} request" if self.status is None else f"{self.endpoint} {self.status}"


class TemplateRegistry:
    """The shipped templates, plus what is registered on top."""

    def __init__(self) -> None:
        self._templates: dict[TemplateKey, str] = {}
        for endpoint in ENDPOINTS.values():
            rest = _shipped(SUBMISSION) if endpoint.service is Service.STATES else ""
            self._templates[TemplateKey(endpoint.name)] = _shipped(endpoint.request_template) + rest
            for answer in endpoint.answers:
                self._templates[TemplateKey(endpoint.name, answer.status)] = _shipped(answer.template)

    def keys(self) -> list[TemplateKey]:
        return list(self._templates)

    def get(self, endpoint: str, status: int | None = None) -> str:
        """The template's text. Raises UnknownTemplateError."""
        key = TemplateKey(endpoint, status)
        if key not in self._templates:
            known = ", ".join(str(each) for each in self._templates)
            raise UnknownTemplateError(f"there is no template for {key}; there are: {known}")
        return self._templates[key]

    def register(self, endpoint: str, template: str, status: int | None = None) -> None:
        """Put another template in the place of a shipped one.

        Raises UnknownTemplateError for a place that there is not, ValueError with all problems of a bad template;
        the one before stays then.
        """
        self.get(endpoint, status)
        if found := self.validate(endpoint, template, status):
            raise ValueError(f"the template for {TemplateKey(endpoint, status)} is not sound: {'; '.join(found)}")
        self._templates[TemplateKey(endpoint, status)] = template

    def validate(self, endpoint: str, template: str, status: int | None = None) -> list[str]:
        """What is wrong with a template in this place, found by rendering it; empty when nothing is."""
        return problems_of(ENDPOINTS[endpoint], template, status)

    def integration_config(self, endpoint: str, partners: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The `Integration` of a method in CloudFormation's words, without `Uri` and `Credentials`.

        partners: partner by API key id; see `with_partners`. Raises UnknownTemplateError.
        """
        if endpoint not in ENDPOINTS:
            raise UnknownTemplateError(f"there is no endpoint {endpoint}; there are: {', '.join(ENDPOINTS)}")
        entry, named = ENDPOINTS[endpoint], partners or {}
        config: dict[str, Any] = {
            "Type": "AWS",  # AWS_PROXY would ignore all templates
            "IntegrationHttpMethod": "GET" if entry.service is Service.S3 else "POST",
            "PassthroughBehavior": "NEVER",  # another content type would pass the model by
            "TimeoutInMillis": _WORKFLOW_MS if entry.service is Service.STATES else _TABLE_MS,
            "RequestTemplates": {CONTENT_TYPE: with_partners(self.get(endpoint), named)},
            "IntegrationResponses": [self._response(entry, each.status, each.pattern, named) for each in entry.answers],
        }
        return {**config, "RequestParameters": dict(_OBJECT_PATH)} if entry.service is Service.S3 else config

    def _response(self, endpoint: Endpoint, status: int, pattern: str, partners: Mapping[str, str]) -> dict[str, Any]:
        template = with_partners(self.get(endpoint.name, status), partners)
        response: dict[str, Any] = {"StatusCode": str(status), "ResponseTemplates": {CONTENT_TYPE: template}}
        return {**response, "SelectionPattern": pattern} if pattern else response


def with_partners(template: str, partners: Mapping[str, str]) -> str:
    """A template that knows partners by the ids of their API keys. A key that is not among them is a partner itself.

    Key ids and partner ids must be free of apostrophes; `${...}` for CloudFormation's Fn::Sub may stand in key ids.
    """
    entries = ", ".join(f"'{key_id}': '{partner}'" for key_id, partner in partners.items())
    return template.replace(PARTNERS_PLACEHOLDER, f"#set($partners = {{{entries}}})")


@cache
def _shipped(name: str) -> str:
    """Without its comments: a CloudFormation template has a size that it may not exceed."""
    text = files(_PACKAGE).joinpath("templates", f"{name}.vtl").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("##"))
