"""What to do about titles without an answer, by error class: the same words in checks, alerts, the report, failures.

Belongs here: one phrase a class, and how many of which in a sentence. Stays out: how a class is treated
(`error_classes.py`), what is no error class (`domain/operations/incidents.py`).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass

_READ_THEM = "read some of these titles (`manga-enrichment sql title_story`)"
_READ_REASONS = "read the reasons (`manga-enrichment sql failures_and_waste`)"
_UNTIL_CHANGED = "they are asked again when their text, the prompt or the model changes"
_BY_ITSELF = "nothing: the next run asks again"
_IF_IT_LASTS = f"{_BY_ITSELF}; if it lasts, look at AWS's health page and at the endpoint"
_ON_ITS_OWN = "nothing: the next run asks for each analysis by itself"

NEXT_STEPS: Mapping[ErrorClass, str] = {
    ErrorClass.THROTTLED: f"{_BY_ITSELF}; if it lasts, tell the quota (MANGA_REQUESTS_PER_MINUTE) or ask AWS for more",
    ErrorClass.MODEL_NOT_READY: _BY_ITSELF,
    ErrorClass.SERVICE_UNAVAILABLE: _IF_IT_LASTS,
    ErrorClass.CONNECTION: _IF_IT_LASTS,
    ErrorClass.MODEL_TIMEOUT: _IF_IT_LASTS,
    ErrorClass.MODEL_ERROR: _IF_IT_LASTS,
    ErrorClass.READ_TIMEOUT: _IF_IT_LASTS,
    ErrorClass.EMPTY_ANSWER: _BY_ITSELF,
    ErrorClass.TRUNCATED_ANSWER: _BY_ITSELF,
    ErrorClass.EXPIRED_CREDENTIALS: "renew the AWS credentials of the Dagster processes",
    ErrorClass.INVALID_REQUEST: f"{_READ_THEM}: the service refuses their text; {_UNTIL_CHANGED}",
    ErrorClass.REQUEST_REFUSED: f"{_BY_ITSELF}; if it lasts, {_READ_REASONS}",
    ErrorClass.ACCOUNT_REFUSED: "mend what the message names (the model's access, place or settings, or its row); "
    "nothing is remembered against the titles",
    ErrorClass.DAILY_QUOTA: "wait for the next day, or ask AWS for more tokens a day of this model",
    ErrorClass.TIER_REFUSED: "correct MANGA_LANE_TIERS: a tier that the model has, or none",
    ErrorClass.ACCESS_DENIED: "allow bedrock:InvokeModel on this model for the role, and request model access",
    ErrorClass.MODEL_NOT_FOUND: "correct MANGA_MODEL_ALIASES or the region (AWS_REGION)",
    ErrorClass.MAX_TOKENS: f"raise max_tokens of the analysis; {_UNTIL_CHANGED}",
    ErrorClass.REFUSAL: f"{_READ_THEM}, try another model on them (`manga-enrichment trial`); {_UNTIL_CHANGED}",
    ErrorClass.CONTENT_FILTERED: f"{_READ_THEM}: the model's own filter stops them; {_UNTIL_CHANGED}",
    ErrorClass.GUARDRAIL_INTERVENED: f"{_READ_THEM} beside the policies of the guardrail; {_UNTIL_CHANGED}",
    ErrorClass.INVALID_ANSWER: f"{_READ_THEM}: no answer fitted the schema, also after a repair; {_UNTIL_CHANGED}",
    ErrorClass.MALFORMED_ANSWER: f"{_BY_ITSELF}, three nights in all",
    ErrorClass.UNANSWERABLE: f"{_READ_THEM}: three nights brought no answer; {_UNTIL_CHANGED}",
    ErrorClass.BUDGET: "nothing: the next run goes on; if it lasts, raise MANGA_BUDGET_USD_PER_RUN or _PER_DAY",
    ErrorClass.PARTNER_DAY_CAP: "nothing: they wait for the partner's next day, or raise its cap",
    ErrorClass.PARTNER_MONTH_CAP: "nothing: they wait for the partner's next month, or raise its cap",
    ErrorClass.BRAKE: "let go of it when the reason is gone (`manga-enrichment brake off`); all goes on then",
    ErrorClass.DEADLINE: "nothing: the next run goes on; if it lasts, raise MANGA_DEADLINE_SECONDS",
    ErrorClass.CLAIMED_ELSEWHERE: "nothing: another run asks for them",
    ErrorClass.LEDGER_UNAVAILABLE: "look at DynamoDB; the next run goes on",
    ErrorClass.STOPPED: "nothing: the next run goes on",
    ErrorClass.BATCH_PENDING: "nothing: a batch job has them, and its answers are published when it ends",
    ErrorClass.ABANDONED: "nothing: their run was killed, and the next goes on",
    ErrorClass.CANARY: "nothing: they wait for a canary, and keep the answers that they have",
}


def next_step(error_class: str, *, asked_again: bool) -> str:
    """asked_again: by the next run, also where the class alone says that it is final: then in another way."""
    if error_class not in NEXT_STEPS:  # of another release
        return _READ_REASONS
    known = ErrorClass(error_class)
    return _ON_ITS_OWN if asked_again and not TREATMENTS[known].transient else NEXT_STEPS[known]


def by_class(counts: Mapping[tuple[str, Any], int]) -> Counter[str]:
    """counts: by error class and whatever else."""
    found: Counter[str] = Counter()
    for (error_class, _else), count in counts.items():
        found[error_class] += count
    return found


def counted(counts: Mapping[str, int]) -> str:
    """How many of which, the most first: 112 refusal, 2 read_timeout."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in ordered if count)
