"""What a program needs to know to talk to the local stack instead of AWS, and the guard that it does.

Belongs here: the environment variables of the local profile. Stays out: starting the stack (`local_stack.py`).

Everything is said with the variables boto3 itself reads, so the code that runs is the code that runs on AWS.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

REGION = "ap-northeast-1"
ACCESS_KEY_ID = "local"
SECRET_ACCESS_KEY = "local"  # noqa: S105 - the emulator accepts anything; a real key must never be needed
BATCH_ROLE_ARN = "arn:aws:iam::123456789012:role/manga-batch-inference"  # nobody takes it: the server reads as it is
CALLBACK_SECRET = "of the local stack alone; it protects nothing"  # noqa: S105 - known to everyone who reads this
CALLBACK_KEY_ID = "local"
_ENDPOINT_PREFIX = "AWS_ENDPOINT_URL"
_IGNORE_ENDPOINTS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


class NotLoopbackError(ValueError):
    """The environment would send requests of the local profile to another machine."""


@dataclass(frozen=True, slots=True)
class LocalEndpoints:
    """Where a running local stack answers.

    bucket        the results bucket it provisioned
    callback_url  takes and verifies the callbacks of all partners; "": nobody listens
    outputs       outputs of the deployed templates by name
    partners_file what each partner may; "": anything
    """

    emulator_url: str
    model_url: str
    bucket: str
    callback_url: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    partners_file: str = ""

    def environment(self) -> dict[str, str]:
        """The variables to set. What must be absent is said by `child_environment`."""
        return {
            "AWS_ENDPOINT_URL": self.emulator_url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.model_url,
            "AWS_ENDPOINT_URL_BEDROCK": self.model_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The user's own files may name other endpoints, a role to assume or a profile.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # A proxy cannot reach our loopback.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "MANGA_STAGE": "",  # the stack's names have none
            "MANGA_BUCKET": self.bucket,
            "MANGA_PARTNERS_FILE": self.partners_file,
            "MANGA_BATCH_ROLE_ARN": BATCH_ROLE_ARN,
            "MANGA_CALLBACK_SECRET": CALLBACK_SECRET,
            "MANGA_CALLBACK_KEY_ID": CALLBACK_KEY_ID,
            "MANGA_CALLBACK_ALLOW_LOOPBACK": "true",
            "MANGA_RESULTS_TOPIC_ARN": self.outputs.get("ResultsTopicArn", ""),
            "MANGA_ALERTS_TOPIC_ARN": self.outputs.get("AlertsTopicArn", ""),
        }

    def child_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """A whole environment for a child process: base, without the user's AWS settings, plus ours."""
        return {**without_aws(base), **self.environment()}


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without any AWS_* variable: no credentials, profile, role or endpoint leaks in."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def assert_loopback(environment: Mapping[str, str]) -> None:
    """Refuse an environment whose AWS requests would leave this machine. Raises NotLoopbackError."""
    if not environment.get(_ENDPOINT_PREFIX):
        raise NotLoopbackError(
            "The local profile is refused: AWS_ENDPOINT_URL is not set, so requests would go to AWS; "
            "set it to the local stack's address."
        )
    if environment.get(_IGNORE_ENDPOINTS, "").lower() == "true":
        raise NotLoopbackError(
            f"The local profile is refused: {_IGNORE_ENDPOINTS}=true makes boto3 call AWS itself; unset it."
        )
    for name, value in environment.items():
        if name.startswith(_ENDPOINT_PREFIX) and value and not is_loopback(value):
            raise NotLoopbackError(
                f"The local profile is refused: {name}={value} is not on this machine; "
                "point it at 127.0.0.1 or unset it."
            )


def is_loopback(url: str) -> bool:
    """Whether the address is one of this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
