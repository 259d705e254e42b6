"""What is off as long as a setting is empty, and what that means: nobody finds out by waiting for a mail.

Belongs here: the table. Stays out: the settings (`settings/variables.py`), what is broken
(`pipeline/health/doctor.py`).
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

WHILE_EMPTY: Mapping[str, str] = MappingProxyType(
    {
        "alerts_topic_arn": "failed runs, failed checks and the brake are told nobody; the UI alone shows them",
        "results_topic_arn": "no topic hears of requests that have ended",
        "callback_secret": "callbacks to partners wait and are not sent",
        "api_url": "callbacks have no link to the result",
        "browse_url": "titles of the report are no links",
        "email_from": "no mail goes to partners",
        "partners_file": "every partner may do anything, without caps",
        "budget_usd_per_day": "a day may cost anything",
        "budget_usd_per_run": "a run may cost anything",
        "budget_usd_per_partner_per_day": "a partner's day may cost anything",
        "guardrail_id": "conversations pass no guardrail",
        "batch_min_titles": "no batch jobs at half the price",
    }
)
"""Name of the setting -> what is so while it is empty."""


def switched_off(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """(variable, what that means) of each that is empty. values: all settings by name."""
    for name, meaning in WHILE_EMPTY.items():
        if values[name] in (None, "", ()):
            yield f"MANGA_{name.upper()}", meaning
