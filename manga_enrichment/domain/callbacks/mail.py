"""Mail about the end of a request: two templates of SES, and what is filled into them.

Belongs here: their texts, the values. Stays out: who may get mail (`domain/requests/policies.py`), sending
(`aws/outbound/mail.py`).

Nothing but plain `{{name}}` is in a template, and every name has a value: SES drops a mail where one is missing. No
answer is mailed and no text of a model; what a partner wrote, its own name of the request, stands in the text alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.requests.states import RequestState, is_answered


@dataclass(frozen=True, slots=True)
class MailTemplate:
    name: str
    subject: str
    text: str


_FACTS = """\
Request:    {{request_id}}
Your name:  {{reference}}
Partner:    {{partner_id}}
Status:     {{status}}
Items:      {{counts}}
Cost (USD): {{cost_usd}}
"""
COMPLETED = MailTemplate(
    "manga-fm-request-completed",
    "Manga enrichment: request {{request_id}} is {{status}}",
    f"Your request has its answers.\n\n{_FACTS}Answers:    {{{{results}}}}\n",
)
FAILED = MailTemplate(
    "manga-fm-request-failed",
    "Manga enrichment: request {{request_id}} is {{status}}",
    f"Your request has ended without all its answers.\n\n{_FACTS}Why:        {{{{error_class}}}}\n",
)
TEMPLATES = (COMPLETED, FAILED)
TEMPLATE_OF: Mapping[str, str] = MappingProxyType(
    {f"request.{state.value}": (COMPLETED if is_answered(state) else FAILED).name for state in RequestState}
)
"""By type of event."""


def mail_values(event: Event) -> dict[str, str]:
    """By name, for either template."""
    return {
        "request_id": event.request_id,
        "reference": event.reference or "-",
        "partner_id": event.partner_id,
        "status": event.state.value,
        "counts": ", ".join(f"{count} {name}" for name, count in sorted(event.counts.items())) or "-",
        "cost_usd": f"{event.cost_micro_usd / 1_000_000:.6f}",
        "results": event.results_url or event.result or "-",
        "error_class": event.error_class or "-",
    }
