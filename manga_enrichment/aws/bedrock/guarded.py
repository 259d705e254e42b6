"""Converse with a guardrail: what is sent of it, and what a reply tells of it. Pure functions of dictionaries.

Belongs here: `guardrailConfig`, the part of a message that is looked at, the trace. Stays out: the rest of the format
(`converse.py`), prices (`domain/models/guardrails.py`).

A guardrail looks at no tool's input ("Include a guardrail with the Converse API", Bedrock user guide), so a guarded
answer is asked for as text. It would look at the whole prompt, the synopses that it quotes included: `guardContent`
marks what somebody outside has just said. The trace tells what it took. Names: botocore's bedrock-runtime model.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from manga_enrichment.domain.models.guardrails import Guarding, Guardrail
from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.gateways.model import Repair

INTERVENED = "guardrail_intervened"
_POLICIES = {
    "topicPolicyUnits": "topic",
    "contentPolicyUnits": "content",
    "wordPolicyUnits": "word",
    "sensitiveInformationPolicyUnits": "sensitive_information",
    "sensitiveInformationPolicyFreeUnits": "sensitive_information_free",
    "contextualGroundingPolicyUnits": "contextual_grounding",
}


def guardrail_config(guardrail: Guardrail) -> dict[str, Any]:
    """The trace holds the units: without it nobody could say what a call cost."""
    return {
        "guardrailIdentifier": guardrail.identifier,
        "guardrailVersion": guardrail.version,
        "trace": "enabled",
    }


def guarded_messages(prompt: Prompt, repair: Repair | None, text_field: str) -> list[dict[str, Any]]:
    """The question, and a repair as plain text."""
    before, said, after = prompt.user.rpartition(prompt.guarded)
    parts: list[dict[str, Any]] = [{"text": before}, {"guardContent": {"text": {"text": said}}}, {"text": after}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": [each for each in parts if each.get("text") != ""]}]
    if repair is not None:
        complaint = "That is no answer. Answer again. Problems:\n- " + "\n- ".join(repair.problems)
        answered = str(repair.answer.get(text_field) or "").strip() or "…"
        messages.append({"role": "assistant", "content": [{"text": answered}]})
        messages.append({"role": "user", "content": [{"text": complaint}]})
    return messages


def guarding(document: Mapping[str, Any]) -> Guarding:
    """What a reply with `guardrailConfig` tells. An intervention that names no action counts as one that blocks."""
    questions, replies = _assessments(document)
    units = _units([*questions, *replies])
    if document.get("stopReason") != INTERVENED:
        return Guarding(units)
    actions = {each for found in (questions, replies) for each in _actions(found)}
    if "ANONYMIZED" in actions and "BLOCKED" not in actions:
        return Guarding(units, is_masked=True)
    is_reply = bool(replies) and "BLOCKED" not in set(_actions(questions))
    return Guarding(units, kept_back="reply" if is_reply else "question")


def _assessments(document: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Of the question and of the reply; anything may be in their place."""
    trace = document.get("trace")
    told = trace.get("guardrail") if isinstance(trace, dict) else None
    told = told if isinstance(told, dict) else {}
    questions, replies = told.get("inputAssessment"), told.get("outputAssessments")
    listed = replies.values() if isinstance(replies, dict) else ()
    return (
        list(questions.values()) if isinstance(questions, dict) else [],
        [each for found in listed for each in (found if isinstance(found, list) else [])],
    )


def _units(assessments: list[Any]) -> dict[str, int] | None:
    """None when none tells: a guardrail that looked at nothing would say so."""
    sums: Counter[str] = Counter()
    is_told = False
    for each in assessments:
        metrics = each.get("invocationMetrics") if isinstance(each, dict) else None
        usage = metrics.get("usage") if isinstance(metrics, dict) else None
        for name, count in usage.items() if isinstance(usage, dict) else ():
            if name == "automatedReasoningPolicies":  # their number, not what they looked at
                continue
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                return None
            is_told = True
            sums[_POLICIES.get(name, str(name))] += count
    return dict(sums) if is_told else None


def _actions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "action" and isinstance(each, str):
                yield each
            else:
                yield from _actions(each)
    elif isinstance(value, list):
        for each in value:
            yield from _actions(each)
