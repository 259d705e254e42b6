"""SesMailer over the emulator's SES: templates are put there, filled, and what SES refuses is explained."""

import json
import urllib.request
import uuid
from typing import Any

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.outbound.mail import SesMailer
from manga_enrichment.domain.callbacks.mail import COMPLETED, mail_values
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.outbox_fakes import ended

SENDER, ADDRESS = "manga@store.example", "ops@acme.example"


@pytest.fixture
def ses(aws_environment: dict[str, str]) -> Any:
    del aws_environment  # leads to the emulator
    client = AwsClients().ses
    for address in (SENDER, ADDRESS):
        client.verify_email_identity(EmailAddress=address)
    return client


def sent(stack: LocalStack) -> str:
    url = f"{stack.endpoints.emulator_url}/_ministack/ses/messages"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return json.dumps(json.loads(answer.read()), ensure_ascii=False)


def test_a_mail_is_the_template_with_the_values(ses: Any, local_stack: LocalStack) -> None:
    mailer = SesMailer(ses, SENDER)
    mailer.put_templates()
    mailer.put_templates()
    request_id = str(uuid.uuid4())
    mailer.send(ADDRESS, COMPLETED.name, mail_values(ended(request_id, reference="棚 3")))
    told = sent(local_stack)
    assert f"Manga enrichment: request {request_id} is completed" in told
    assert "棚 3" in told
    assert "{{" not in told.split(request_id)[-1].split("TemplateData")[0]


@pytest.mark.parametrize(
    ("sender", "template"), [(SENDER, "no-such-template"), ("nobody@else.example", COMPLETED.name)]
)
def test_what_ses_refuses_is_a_sentence_without_the_address(ses: Any, sender: str, template: str) -> None:
    SesMailer(ses, SENDER).put_templates()
    with pytest.raises(ConfigurationError, match="SES sends no mail") as raised:
        SesMailer(ses, sender).send(ADDRESS, template, mail_values(ended()))
    assert ADDRESS not in str(raised.value)
