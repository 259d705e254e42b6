"""Mailer on SES, and its templates.

Belongs here: sending by a template, putting the templates there. Stays out: their texts (`domain/callbacks/mail.py`),
who may get mail (`pipeline/outbox/announce.py`).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.clients import raise_explained
from manga_enrichment.domain.callbacks.mail import TEMPLATES
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.stages import staged
from manga_enrichment.gateways.errors import NotifierUnavailableError

_OURS_TO_MEND = frozenset(
    {"TemplateDoesNotExist", "MessageRejected", "MailFromDomainNotVerified", "AccessDenied", "AccessDeniedException"}
)


class SesMailer:
    """client: a boto3 SES client. sender: an address that SES knows as ours. stage: before the templates' names."""

    def __init__(self, client: Any, sender: str, stage: str = "") -> None:
        self._client = client
        self._sender = sender
        self._stage = stage

    def send(self, address: str, template: str, values: Mapping[str, str]) -> None:
        with _errors_explained():
            self._client.send_templated_email(
                Source=self._sender,
                Destination={"ToAddresses": [address]},
                Template=staged(self._stage, template),
                TemplateData=json.dumps(dict(values)),
            )

    def put_templates(self) -> None:
        """Make the templates, or make them again as they are to be. Safe to repeat."""
        for each in TEMPLATES:
            name = staged(self._stage, each.name)
            template = {"TemplateName": name, "SubjectPart": each.subject, "TextPart": each.text}
            with _errors_explained():
                try:
                    self._client.create_template(Template=template)
                except self._client.exceptions.AlreadyExistsException:
                    self._client.update_template(Template=template)


@contextmanager
def _errors_explained() -> Iterator[None]:
    """Messages of SES may name an address, so they stay out."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in _OURS_TO_MEND:
            raise ConfigurationError(
                f"SES sends no mail ({code}): put the templates there (`manga-enrichment partners mail-templates`) and "
                "have SES verify MANGA_EMAIL_FROM"
            ) from error
        raise_explained(error, "SES", "MANGA_EMAIL_FROM", NotifierUnavailableError)
