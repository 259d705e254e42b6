"""One boto3 session per process and the clients made from it.

Belongs here: SDK configuration and turning "nothing there" into a sentence. Which endpoint, region and credentials
apply is boto3's to decide (AWS_ENDPOINT_URL*, profiles, roles): there is no switch for the local stack here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from manga_enrichment.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

# Everything but Bedrock runtime: the SDK's standard retries are safe because these calls are idempotent
# or carry a token.
_SDK_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=16,
    tcp_keepalive=True,
)
# The SDK's look at each of the thousands of values in a transaction is two fifths of its CPU; DynamoDB looks anyway.
_DYNAMODB_CONFIG = _SDK_CONFIG.merge(Config(parameter_validation=False))

CREDENTIALS_HINT = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role"
_MISSING = frozenset({"NoSuchBucket", "ResourceNotFoundException"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})
_REFUSED_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class AwsClients:
    """Lazily made clients; safe to share between threads."""

    def __init__(self) -> None:
        self._making = RLock()  # making clients from one session is not thread-safe, using them is
        with self._explained():
            self.session = boto3.Session(botocore_session=_session())

    @cached_property
    def s3(self) -> "S3Client":
        with self._explained():
            return self.session.client("s3", config=_SDK_CONFIG)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        with self._explained():
            return self.session.client("dynamodb", config=_DYNAMODB_CONFIG)

    @cached_property
    def bedrock(self) -> Any:
        """The control plane: batch jobs."""
        with self._explained():
            return self.session.client("bedrock", config=_SDK_CONFIG)

    @cached_property
    def sqs(self) -> Any:
        with self._explained():
            return self.session.client("sqs", config=_SDK_CONFIG)

    @cached_property
    def sns(self) -> Any:
        with self._explained():
            return self.session.client("sns", config=_SDK_CONFIG)

    @cached_property
    def cloudwatch(self) -> Any:
        with self._explained():
            return self.session.client("cloudwatch", config=_SDK_CONFIG)

    @cached_property
    def bedrock_runtime(self) -> Any:
        """Only asked for its endpoint and region; calls go through `bedrock.py`."""
        with self._explained():
            return self.session.client("bedrock-runtime", config=_SDK_CONFIG)

    def credentials(self) -> Any:
        """Botocore credentials. Raises ConfigurationError when there are none."""
        with self._explained():
            credentials = self.session.get_credentials()
        if credentials is None:
            raise ConfigurationError(f"No AWS credentials were found: {CREDENTIALS_HINT}")
        return credentials

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """One at a time, and what the SDK misses as one sentence."""
        try:
            with self._making:
                yield
        except NoRegionError:
            raise ConfigurationError(
                "No AWS region is set: set AWS_DEFAULT_REGION, for example ap-northeast-1"
            ) from None
        except ProfileNotFound as error:
            raise ConfigurationError(f"{error}: correct AWS_PROFILE or add it to the AWS config file") from None
        except PartialCredentialsError as error:
            raise ConfigurationError(f"The AWS credentials are incomplete ({error}): {CREDENTIALS_HINT}") from None
        except BotoCoreError as error:
            raise ConfigurationError(f"The AWS configuration cannot be used ({error}): {CREDENTIALS_HINT}") from error
        except ValueError as error:  # botocore's word for an endpoint that is not a URL
            raise ConfigurationError(f"{error}: correct AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_<SERVICE>") from None


@cache
def _service_descriptions(search_path: str | None) -> botocore.loaders.Loader:
    """Read once per process: a sensor makes its clients anew at each tick, and parsing these is most of the work."""
    return botocore.loaders.create_loader(search_path)


def _session() -> botocore.session.Session:
    session = botocore.session.Session()
    session.register_component("data_loader", _service_descriptions(session.get_config_variable("data_path")))
    return session


def is_unreachable(error: Exception) -> bool:
    """Whether no connection came about, which a change of settings or mere patience may mend."""
    return isinstance(error, (EndpointConnectionError, ConnectTimeoutError))


def explain(error: Exception, what: str, setting: str) -> ConfigurationError | None:
    """A sentence for errors that a change of settings can mend; None for all others."""
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return ConfigurationError(f"No AWS credentials were found for {what}: {CREDENTIALS_HINT}")
    if isinstance(error, (EndpointConnectionError, ConnectTimeoutError)):
        endpoint = error.kwargs.get("endpoint_url", "its endpoint")
        return ConfigurationError(
            f"{what} cannot be reached at {endpoint}: check AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
        )
    return _explain_code(error.response["Error"]["Code"], what, setting) if isinstance(error, ClientError) else None


def _explain_code(code: str, what: str, setting: str) -> ConfigurationError | None:
    if code in _MISSING:
        return ConfigurationError(f"{what} does not exist: deploy infra/storage.yaml or correct {setting}")
    if code in _DENIED:
        return ConfigurationError(f"Access to {what} was denied: give this role the rights or correct {setting}")
    if code in _REFUSED_CREDENTIALS:
        return ConfigurationError(f"AWS refused the credentials for {what} ({code}): {CREDENTIALS_HINT}")
    return None
