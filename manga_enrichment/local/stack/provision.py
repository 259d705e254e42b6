"""Deploys our CloudFormation templates to an endpoint and says clearly why when that fails.

Belongs here: create-or-update of stacks, where the templates are, clients for the local emulator. Stays out:
what is deployed (`infra/*.yaml`). Production deploys the same files with its own pipeline.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from manga_enrichment.local.stack.endpoints import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

DEPLOY_TIMEOUT_SECONDS = 900.0
MAX_TEMPLATE_BYTES = 51_200
"""What CloudFormation takes without a bucket."""
_TEMPLATES = "manga-templates"
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
# Fine when there was nothing to update: an earlier update failed, and this is the template it went back to.
_SETTLED_BEFORE = "UPDATE_ROLLBACK_COMPLETE"
# A stack whose first creation failed cannot be updated, only deleted.
_NEVER_CREATED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS")
_CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled", "The following resource(s) failed")


class ProvisioningError(RuntimeError):
    """A stack could not be deployed; names the stack, the resource and CloudFormation's reason."""


@dataclass(frozen=True, slots=True)
class StackTemplate:
    """One template file of infra/ and the stack it becomes."""

    stack_name: str
    file_name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


# A first creation that failed must leave no table behind that stands in the way of the next one.
_THROWN_AWAY = {"DeletionProtection": "false"}
# In order: a later template may use exports of an earlier one.
STACK_TEMPLATES = (
    StackTemplate("manga-enrichment-storage", "storage.yaml", _THROWN_AWAY),
    StackTemplate("manga-enrichment-queues", "queues.yaml"),
    StackTemplate("manga-enrichment-partners", "partners.yaml"),
    StackTemplate("manga-enrichment-outbox", "outbox.yaml", _THROWN_AWAY),
    StackTemplate("manga-enrichment-monitoring", "monitoring.yaml"),
    StackTemplate("manga-enrichment-workflow", "workflow.yaml"),
    StackTemplate("manga-enrichment-api", "api.yaml", {"AccessLog": "false"}),  # nobody reads it there
)


def emulator_client(service: str, endpoint_url: str) -> Any:
    """A boto3 client for the emulator that ignores the user's profile, credentials, region and proxies."""
    session = botocore.session.Session(
        session_vars=dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))
    )
    new_client: Any = boto3.Session(botocore_session=session).client  # its overloads take literal names only
    return new_client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 3}),
    )


def deploy_all(cloudformation: "CloudFormationClient", infra: Path, own: Mapping[str, Path]) -> dict[str, str]:
    """Deploy the templates in order and return the outputs of all of them. own: files in place of shipped ones."""
    outputs: dict[str, str] = {}
    for template in STACK_TEMPLATES:
        path = own.get(template.file_name, infra / template.file_name)
        outputs |= deploy_stack(cloudformation, template.stack_name, path, template.parameters)
    return outputs


def deploy_stack(
    cloudformation: "CloudFormationClient",
    name: str,
    template_path: Path,
    parameters: Mapping[str, str],
    *,
    poll_seconds: float = 0.1,
    timeout_seconds: float = DEPLOY_TIMEOUT_SECONDS,
) -> dict[str, str]:
    """Create or update one stack, wait until it is settled and return its outputs.

    An unchanged stack is left alone. Raises ProvisioningError with the first failing resource and its reason.
    """
    request: dict[str, Any] = {
        "StackName": name,
        **_template(cloudformation, template_path),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    waiting = _Waiting(cloudformation, name, poll_seconds, timeout_seconds)
    try:
        settled = _SETTLED if _create_or_update(waiting, request) else (*_SETTLED, _SETTLED_BEFORE)
    except ClientError as error:
        message = error.response["Error"].get("Message", error)
        raise ProvisioningError(f"Stack {name} ({template_path}) was refused: {message}") from error
    stack = waiting.until_settled()
    if stack is None or stack["StackStatus"] not in settled:
        status = stack["StackStatus"] if stack else "gone"
        raise ProvisioningError(f"Stack {name} ({template_path}) is {status}: {_reason(cloudformation, name)}")
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _template(cloudformation: "CloudFormationClient", path: Path) -> dict[str, str]:
    """A large one goes by a bucket, as `aws cloudformation deploy --s3-bucket` has it."""
    text = path.read_text("utf-8")
    if len(text.encode()) <= MAX_TEMPLATE_BYTES:
        return {"TemplateBody": text}
    url = cloudformation.meta.endpoint_url
    s3 = emulator_client("s3", url)
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):  # from an earlier deployment
        s3.create_bucket(Bucket=_TEMPLATES, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=_TEMPLATES, Key=path.name, Body=text.encode())
    return {"TemplateURL": f"{url}/{_TEMPLATES}/{path.name}"}


@dataclass(frozen=True, slots=True)
class _Waiting:
    cloudformation: "CloudFormationClient"
    name: str
    poll_seconds: float
    timeout_seconds: float

    def describe(self) -> "StackTypeDef | None":
        try:
            return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise

    def until_settled(self) -> "StackTypeDef | None":
        """The stack once nothing is in progress any more; None when it does not exist."""
        deadline = time.monotonic() + self.timeout_seconds
        while True:
            stack = self.describe()
            # REVIEW_IN_PROGRESS is the one state that waits for a person.
            if stack is None or not stack["StackStatus"].endswith("_IN_PROGRESS") or _is_review(stack):
                return stack
            if time.monotonic() > deadline:
                raise ProvisioningError(
                    f"Stack {self.name} is still {stack['StackStatus']} after {self.timeout_seconds:g} s."
                )
            time.sleep(self.poll_seconds)


def _is_review(stack: "StackTypeDef") -> bool:
    return stack["StackStatus"] == "REVIEW_IN_PROGRESS"


def _create_or_update(waiting: _Waiting, request: dict[str, Any]) -> bool:
    """Start what is needed; False when the stack is already as the template says."""
    client = waiting.cloudformation
    stack = waiting.until_settled()
    if stack is not None and stack["StackStatus"] in (*_NEVER_CREATED, "DELETE_COMPLETE"):
        client.delete_stack(StackName=waiting.name)
        stack = waiting.until_settled()
        if stack is not None and stack["StackStatus"] == "DELETE_COMPLETE":
            stack = None
    if stack is None:
        client.create_stack(**request)
        return True
    try:
        client.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in error.response["Error"].get("Message", ""):
            raise
        return False
    return True


def _reason(client: "CloudFormationClient", name: str) -> str:
    """What failed first in the stack's latest operation: the rest was only cancelled or rolled back."""
    causes: list[str] = []
    for event in client.describe_stack_events(StackName=name)["StackEvents"]:  # newest first
        resource, reason = event.get("LogicalResourceId"), event.get("ResourceStatusReason", "")
        if event.get("DetailedStatus") == "VALIDATION_FAILED":
            causes.append(_validation_reason(client, name) or reason)
        elif event.get("ResourceStatus", "").endswith("_FAILED") and not reason.startswith(_CONSEQUENCES):
            causes.append(f"{resource}: {reason or 'no reason given'}")
        if resource == name and reason == "User Initiated":
            break
    return causes[-1] if causes else "CloudFormation gave no reason"


def _validation_reason(client: "CloudFormationClient", name: str) -> str | None:
    """The newest problem found before anything was created; the stack's own events do not tell it."""
    events = client.describe_events(StackName=name, Filters={"FailedEvents": True})["OperationEvents"]
    problems = [event for event in events if event.get("EventType") == "VALIDATION_ERROR"]
    if not problems:
        return None
    newest = max(problems, key=lambda event: event["Timestamp"])
    return f"{newest.get('LogicalResourceId')}: {newest.get('ValidationStatusReason')}"
