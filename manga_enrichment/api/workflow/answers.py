"""What the workflow of a POST answers: a status, and the whole body as text that API Gateway passes on.

Belongs here: the documents, what is known of a request before any worker sees it. Stays out: when which is given
(`machine.py`), the same documents as schemas (`api/openapi/document.py`; a test of the front holds the two together).

Answers of a conversation come from its result document, which is complete before its status says so: a text of a user
stays where it is kept for its 90 days alone, and no row grows by it.
"""

import json
from typing import Any

from manga_enrichment.domain.requests.cost_guard import TOKEN_GUARDS
from manga_enrichment.domain.requests.problems import Problem
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, LOW_PRIORITY, NORMAL
from manga_enrichment.domain.requests.validation import (
    EMAIL_NOT_SENT,
    LONG_TEXT,
    NOT_STREAMED,
    TEMPERATURE_NOT_SENT,
    models_without_temperature,
)

FIRST_GUESS_SECONDS = {HIGH_PRIORITY.name: 30, NORMAL.name: 300, LOW_PRIORITY.name: 1800}
"""Until a queue's pace was measured; 30 for conversations."""

_REUSED, _FAILED = "IDEMPOTENCY_KEY_REUSED", "REQUEST_FAILED"
WORKFLOW_CODES = frozenset({"VALIDATION_ERROR", _REUSED, _FAILED, "NOT_FOUND", "UNAVAILABLE"})
"""Codes of its errors."""

_GUESS = json.dumps(FIRST_GUESS_SECONDS).replace('"', "'")
_BODY = "$states.input.message.body"
_MODEL = f"($exists({_BODY}.model) ? {_BODY}.model : $states.input.message.schema = 'manga_query' ? 'haiku' : 'sonnet')"
# Characters, of which a Japanese one is about a token; a warning comes at four fifths, as the worker's does.
_CHARACTERS = f"$sum([$exists({_BODY}.query) ? $length({_BODY}.query) : 0, {_BODY}.messages.$length(content)])"
_MANY = f"$lookup({json.dumps({model: guard * 4 // 5 for model, guard in TOKEN_GUARDS.items()})}, {_MODEL})"


def _warning(condition: str, warning: Problem) -> str:
    return f"{condition} ? {json.dumps(warning.to_document())}"


_WARNINGS = "[{}]".format(
    ", ".join(
        (
            _warning(f"$exists({_BODY}.notification.email) and '${{SendsMail}}' != 'true'", EMAIL_NOT_SENT),
            _warning(f"$exists({_BODY}.stream) and {_BODY}.stream", NOT_STREAMED),
            _warning(
                f"$exists({_BODY}.temperature) and {_MODEL} in {list(models_without_temperature())}",
                TEMPERATURE_NOT_SENT,
            ),
            _warning(f"$states.input.message.schema != 'batch_analysis' and {_CHARACTERS} > {_MANY}", LONG_TEXT),
        )
    )
).replace('"', "'")

FIRST_STATE_VALUES = {
    "item_count": "$exists($states.input.message.body.items) ? $count($states.input.message.body.items) : 1",
    "reference": "$exists($states.input.message.body.reference) ? $states.input.message.body.reference : ''",
    "warnings": _WARNINGS,
    "pace": f"( $guess := $lookup({_GUESS}, $states.input.queue); $exists($guess) ? $guess : 30 )",
    "row": "{}",
    "result": "{}",
    "known_hash": "''",
}
"""Variables that answers are made of, by what they are at first."""

_ID = "'request_id': $id"
_STATUS_PATH = "'status_path': '/v1/manga/status/' & $id"
_REFERENCE = "'reference': $reference = '' ? null : $reference"
_RESULTS_PATH = "'results_path': $exists($row.result_key.S) ? '/v1/manga/results/' & $id : null"
_METADATA = f"'metadata': {{{_ID}, 'timestamp': $millis()"
_LATENCY = "'latency_ms': $millis() - $sent.message.submitted_at"
_USAGE = (
    "'usage': {'input_tokens': $number($row.input_tokens.N), 'output_tokens': $number($row.output_tokens.N), "
    "'cost_usd': $number($row.cost_usd.N)}"
)
_COUNTS = (
    "'counts': $count($keys($row.counts.M)) = 0 ? {} "
    ": $merge($each($row.counts.M, function($count, $name) { {$name: $number($count.N)} }))"
)
_ITEM = "$result.items[0]"
_EXPECTED = (
    "$exists($row.resumes_on.S) and $row.resumes_on.S != '' ? $row.resumes_on.S & 'T00:00:00Z' : "
    "$fromMillis($max([$sent.message.submitted_at + 1000 * $pace, $millis() + 1000]), "
    "'[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01]Z')"
)
_RESUMES_ON = "$exists($row.resumes_on.S) and $row.resumes_on.S != '' ? $row.resumes_on.S : null"
_APPLIED = "$contains($lowercase($sent.prefer), /wait|respond-async/) ? $sent.prefer : ''"


def _end(status: int, body: str, **output: Any) -> dict[str, Any]:
    """A last state. body: a JSONata object."""
    return {"Type": "Pass", "Output": {"status": status, "body": f"{{% $string({body}) %}}", **output}, "End": True}


def _error(status: int, code: str, message: str, more: str = "", **output: Any) -> dict[str, Any]:
    """message: a JSONata text. more: further pairs of `error`."""
    error = f"{{'code': '{code}', 'message': {message}{more}}}"
    return _end(status, f"{{'success': false, 'error': {error}, {_METADATA}}}}}", **output)


_ACCEPTED = (
    f"{{'success': true, 'data': {{{_ID}, 'status': $exists($row.status.S) ? $row.status.S : 'accepted', "
    "'message': $sent.message.schema = 'batch_analysis' ? 'Batch submitted for processing' "
    ": 'Request submitted for processing', 'item_count': $item_count, "
    f"'estimated_completion': {_EXPECTED}, 'warnings': $warnings, {_REFERENCE}, 'resumes_on': {_RESUMES_ON}, "
    f"{_STATUS_PATH}}}, {_METADATA}}}}}"
)
_ANSWERED = (
    f"{{'success': true, 'data': {{{_ID}, 'status': $row.status.S, "
    f"'response': $exists({_ITEM}.answer.reply) ? {_ITEM}.answer.reply : null, "
    f"'model': $exists({_ITEM}.model_id) ? {_ITEM}.model_id : null, "
    f"{_USAGE}, {_COUNTS}, 'result': $exists($row.result_key.S) ? $row.result_key.S : null, "
    f"'warnings': $exists($result.warnings) ? $append([], $result.warnings) : $warnings, {_REFERENCE}, "
    f"'quote': $exists($result.quote) ? $result.quote : null, {_STATUS_PATH}, {_RESULTS_PATH}}}, "
    f"{_METADATA}, {_LATENCY}}}}}"
)

ANSWERS = {
    "Accepted": _end(202, _ACCEPTED, applied=f"{{% {_APPLIED} %}}"),
    "Answered": _end(200, _ANSWERED, applied=f"{{% {_APPLIED} %}}"),
    "Rejected": _error(
        400,
        "VALIDATION_ERROR",
        "$row.reason.S",
        ", 'problems': $exists($row.problems.S) ? $append([], $parse($row.problems.S)) : []",
    ),
    "Failed": _error(
        502,
        _FAILED,
        "'There is no answer to this request. A new request may have one.'",
        ", 'details': $row.error_class.S",
    ),
    "UnsendableText": _error(400, "VALIDATION_ERROR", "'A queue cannot carry this text: it holds U+FFFE or U+FFFF.'"),
    "UnusableKey": _error(
        400, "VALIDATION_ERROR", "'Idempotency-Key: 1 to 255 printable characters of ASCII without spaces.'"
    ),
    "KeyOfAnother": _error(409, _REUSED, "'This Idempotency-Key came with another body within the last 24 hours.'"),
    "Gone": _error(404, "NOT_FOUND", "'This request was deleted.'"),
    "Away": _error(
        503,
        "UNAVAILABLE",
        "'No answer. Send it again, with the same Idempotency-Key.'",
        ", 'retry_after_seconds': 5",
        retry_after="5",
    ),
}
"""Last states by name."""
