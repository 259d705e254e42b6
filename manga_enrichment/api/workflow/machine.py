"""The Express workflow behind every POST: row, message, wait, answer, without a server of ours.

Belongs here: its states in the words of the Amazon States Language. Stays out: what it answers
(`answers.py`), its input (`templates/submission.vtl`), role and resource (`api/cloudformation.py`).

    Open ─► RememberKey ─► WriteRow ─► Send ─► Wait ─► Look ─► ... ─► 200, or 202 when the time is over

The row comes before the message, so that whoever has a 202 has a status. What is lost between the two is a row that
stays `accepted`: the same POST with the same Idempotency-Key sends the message again. A key is an item of its own
in the status table; it says which request it stands for, for a day by its value, whenever DynamoDB deletes it.

Express, as only such a workflow can be waited for; it may run twice, which the conditional writes stand. A state costs
nothing by itself, time does, so it looks once a second: `Wait` takes whole seconds. Expressions are JSONata.
"""

from collections.abc import Sequence
from typing import Any

from manga_enrichment.api.workflow.answers import ANSWERS, FIRST_STATE_VALUES
from manga_enrichment.domain.operations.retention import IDEMPOTENCY_DAYS, STATUS_DAYS
from manga_enrichment.domain.requests.claims import MESSAGE_LOST, UNCLAIMED_KEY
from manga_enrichment.domain.requests.states import RequestState, is_final

MAX_INPUT_BYTES = 262_144
"""What Step Functions takes, in UTF-8."""

DEFAULT_WAIT_SECONDS = 10
LONGEST_WAIT_SECONDS = 25
TIMEOUT_SECONDS = 28
"""API Gateway gives up after 29."""

State = dict[str, Any]

_DAY = 86_400
_CONDITION_FAILED = "DynamoDB.ConditionalCheckFailedException"
_TABLE = "${StatusTableName}"
# Texts of up to 10,000 characters can be hashed.
_BODY_HASH = (
    "( $text := $string($states.input.message.body); $hash($join($map([0..$floor($length($text) / 5000)], "
    "function($part) { $hash($substring($text, $part * 5000, 5000), 'SHA-256') }), ''), 'SHA-256') )"
)
# SQS takes all text of JSON but two characters; an engine may write those escaped or as they are.
_UNSENDABLE = r"$contains($replace($string($states.input.message.body), /\\\\/, ''), /\\u[fF]{3}[eEfF]|[\uFFFE\uFFFF]/)"
# RFC 7240. Without either preference a batch is answered at once and everything else is waited for.
_WAIT_SECONDS = (
    "( $told := $lowercase($states.input.prefer); "
    "$wait := $match($told, /(^|[,; ])wait *= *([0-9]{1,9})/); "
    f"$exists($wait) ? $min([$number($wait[0].groups[1]), {LONGEST_WAIT_SECONDS}]) "
    ": $contains($told, 'respond-async') or $states.input.message.schema = 'batch_analysis' ? 0 "
    f": {DEFAULT_WAIT_SECONDS} )"
)
_FINAL = ", ".join(f"'{state.value}'" for state in RequestState if is_final(state))
_LOST = f"$row.status.S = '{RequestState.ACCEPTED.value}' or $row.error_class.S = '{MESSAGE_LOST}'"
# Nothing comes of it before that day, however long the call waits.
_CAPPED = f"$row.status.S = '{RequestState.DEFERRED.value}' and $exists($row.resumes_on.S) and $row.resumes_on.S != ''"
_HAS_REPLY = "$sent.message.schema != 'batch_analysis' and $exists($row.result_key.S)"
_OVER = "$millis() + 500 > $until"  # another second would be too long by half of it


def definition() -> dict[str, Any]:
    """The state machine. Its `${...}` are CloudFormation's DefinitionSubstitutions."""
    return {
        "Comment": "A request of a partner, from the API to its queue, and its answer back when it comes in time",
        "QueryLanguage": "JSONata",
        "StartAt": "Open",
        "TimeoutSeconds": TIMEOUT_SECONDS,
        "States": _opening() | _keys() | _sending() | _waiting() | _ending() | ANSWERS,
    }


def _opening() -> dict[str, State]:
    values = {
        "sent": "$states.input",
        "id": "$uuid()",
        "until": f"$millis() + 1000 * {_WAIT_SECONDS}",
        "key": "'key:' & $hash($join([$states.input.api_key, $states.input.message.schema, "
        "$states.input.idempotency_key], ' '), 'SHA-256')",
        "body_hash": f"$states.input.idempotency_key = '' ? '' : {_BODY_HASH}",
        **FIRST_STATE_VALUES,
    }
    return {
        "Open": {"Type": "Pass", "Assign": _expressions(values), "Next": "Sound"},
        "Sound": _choice(
            (_UNSENDABLE, "UnsendableText"),
            ("$states.input.idempotency_key = ''", "WriteRow"),
            ("$not($contains($states.input.idempotency_key, /^[!-~]{1,255}$/))", "UnusableKey"),
            otherwise="RememberKey",
        ),
    }


def _keys() -> dict[str, State]:
    known = "$exists($states.result.Item)"
    return {
        "RememberKey": _task(
            "dynamodb:putItem",
            {
                "TableName": _TABLE,
                "Item": _remembered(),
                "ConditionExpression": "attribute_not_exists(request_id) OR expires_at <= :now",
                "ExpressionAttributeValues": {":now": {"N": "{% $string($floor($millis() / 1000)) %}"}},
            },
            following="WriteRow",
            caught=((_CONDITION_FAILED, "ReadKey"),),
        ),
        "ReadKey": _task(
            "dynamodb:getItem",
            _get("{% $key %}"),
            following="SameBody",
            assign={
                "id": f"{known} ? $states.result.Item.stands_for.S : $id",
                "known_hash": f"{known} ? $states.result.Item.body_hash.S : ''",
            },
        ),
        "SameBody": _choice(
            ("$known_hash = ''", "RememberKey"),
            ("$known_hash != $body_hash", "KeyOfAnother"),
            otherwise="WriteRow",
        ),
    }


def _remembered() -> dict[str, Any]:
    return {
        "request_id": {"S": "{% $key %}"},
        "stands_for": {"S": "{% $id %}"},
        "body_hash": {"S": "{% $body_hash %}"},
        "expires_at": {"N": f"{{% $string($floor($millis() / 1000) + {IDEMPOTENCY_DAYS * _DAY}) %}}"},
    }


def _sending() -> dict[str, State]:
    fifo = "$contains($sent.queue, '.fifo') ? {'MessageDeduplicationId': $id} : {}"
    message = (
        "{% $merge([{'QueueUrl': '${QueuesUrl}' & $sent.queue, "
        "'MessageBody': $merge([$sent.message, {'request_id': $id, 'partner_id': $sent.partner_id}]), "
        "'MessageGroupId': $sent.group = '' ? $sent.partner_id & ':' & $id "
        f": $sent.group}}, {fifo}]) %}}"
    )
    unclaimed = {
        "ConditionExpression": "generation = :none",
        "ExpressionAttributeValues": {":none": {"N": "0"}},
    }
    return {
        "WriteRow": _task(
            "dynamodb:putItem",
            {"TableName": _TABLE, "Item": _row(), "ConditionExpression": "attribute_not_exists(request_id)"},
            following="Send",
            caught=((_CONDITION_FAILED, "LookAtRepeated"),),
        ),
        "Send": _task("sqs:sendMessage", message, following="Sent", failed="Withdraw"),
        "Withdraw": _task("dynamodb:deleteItem", {**_key_of("{% $id %}"), **unclaimed}, following="Away"),
        "Sent": _choice((_OVER, "ReadPace"), otherwise="Wait"),
    }


def _row() -> dict[str, Any]:
    """As `aws/dynamodb/request_items.py` writes rows: times of one width; a version for conditions of later writes."""
    submitted = "{% $substring($fromMillis($sent.message.submitted_at), 0, 23) & '000+00:00' %}"
    now = "{% $substring($now(), 0, 23) & '000+00:00' %}"
    return {
        "request_id": {"S": "{% $id %}"},
        "partner_id": {"S": "{% $sent.partner_id %}"},
        "schema": {"S": "{% $sent.message.schema %}"},
        "status": {"S": RequestState.ACCEPTED.value},
        "queue": {"S": "{% $sent.queue %}"},
        UNCLAIMED_KEY: {"S": "{% $sent.queue %}"},
        "submitted_at": {"S": submitted},
        "accepted_at": {"S": now},
        "updated_at": {"S": now},
        "lease_until": {"S": now},
        "reference": {"S": "{% $reference %}"},
        "item_count": {"N": "{% $string($item_count) %}"},
        "generation": {"N": "0"},
        "version": {"N": "0"},
        "counts": {"M": {}},
        "expires_at": {"N": f"{{% $string($floor($millis() / 1000) + {STATUS_DAYS * _DAY}) %}}"},
    }


def _waiting() -> dict[str, State]:
    ended = f"$row.status.S in [{_FINAL}]"
    seen = {"row": "$exists($states.result.Item) ? $states.result.Item : {}"}
    return {
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Look"},
        "Look": _task("dynamodb:getItem", _get("{% $id %}"), following="Judge", assign=seen),
        "LookAtRepeated": _task("dynamodb:getItem", _get("{% $id %}"), following="IsLost", assign=seen),
        "IsLost": _choice((_LOST, "Send"), otherwise="Judge"),
        "Judge": _choice(
            ("$not($exists($row.status.S))", "Gone"),
            (f"{ended} and {_HAS_REPLY}", "ReadResult"),
            (ended, "Ended"),
            (_CAPPED, "ReadPace"),
            (_OVER, "ReadPace"),
            otherwise="Wait",
        ),
    }


def _ending() -> dict[str, State]:
    document = {"Bucket": "${ResultsBucketName}", "Key": "{% $row.result_key.S %}"}
    return {
        "ReadResult": _task(
            "aws-sdk:s3:getObject",
            document,
            following="Ended",
            failed="Ended",
            assign={"result": "$parse($states.result.Body)"},
        ),
        "Ended": _choice(
            (f"$row.status.S = '{RequestState.REJECTED.value}'", "Rejected"),
            (f"{_HAS_REPLY} and $row.status.S = '{RequestState.FAILED.value}'", "Failed"),
            otherwise="Answered",
        ),
        "ReadPace": _task(
            "dynamodb:getItem",
            _get("{% 'pace:' & $sent.queue %}"),
            following="Accepted",
            failed="Accepted",
            assign={"pace": "$exists($states.result.Item) ? $number($states.result.Item.seconds.N) : $pace"},
        ),
    }


def _key_of(request_id: str) -> dict[str, Any]:
    return {"TableName": _TABLE, "Key": {"request_id": {"S": request_id}}}


def _get(request_id: str) -> dict[str, Any]:
    return {**_key_of(request_id), "ConsistentRead": True}


def _task(
    action: str,
    arguments: Any,
    *,
    following: str,
    caught: Sequence[tuple[str, str]] = (),
    failed: str = "Away",
    assign: dict[str, str] | None = None,
) -> State:
    """A call of a service; what is not `caught` goes on at `failed`."""
    catches = [*caught, ("States.ALL", failed)]
    state: State = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{action}",
        "Arguments": arguments,
        "Catch": [{"ErrorEquals": [error], "Next": to} for error, to in catches],
        "Next": following,
    }
    return {**state, "Assign": _expressions(assign)} if assign else state


def _choice(*rules: tuple[str, str], otherwise: str) -> State:
    choices = [{"Condition": f"{{% {condition} %}}", "Next": following} for condition, following in rules]
    return {"Type": "Choice", "Choices": choices, "Default": otherwise}


def _expressions(values: dict[str, str]) -> dict[str, str]:
    return {name: f"{{% {value} %}}" for name, value in values.items()}
