"""One boto3 session per process and the clients made from it.

Belongs here: SDK configuration and turning "nothing there" into a sentence. Which endpoint, region and credentials
apply is boto3's to decide (AWS_ENDPOINT_URL*, profiles, roles): there is no switch for the local stack here.
"""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property, partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.utils import get_token_from_environment
from urllib3.exceptions import HTTPError

from manga_enrichment.aws.clock_skew import ClockSkew
from manga_enrichment.aws.dynamodb.wire import send_transactions_whole
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import StoreUnavailableError

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
    user_agent="manga-enrichment",  # else one is put together anew for each call; boto3 adds the SDK
)
# The SDK's look at each of the thousands of values in a transaction is two fifths of its CPU; DynamoDB looks anyway.
_DYNAMODB = Config(parameter_validation=False, read_timeout=20)
# Where nobody answers, one call is over within 20 s: a tick makes two such at most, and Dagster drops it after 60 s.
_BRIEF = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=5)

AT_ONCE_BYTES = 1024 * 1024

BrokenAnswerError = HTTPError
"""GetObject raises it, too, where an error document broke off: the SDK reads those too late for its own words."""

CREDENTIALS_HINT = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role"
_LOGIN_ENDED = (SSOError, LoginError, TokenRetrievalError)
_LOGIN_HINT = "The AWS login has expired: run `aws sso login` (or `aws login`) with the profile that is in use"
_MISSING = frozenset({"NoSuchBucket", "ResourceNotFoundException"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})
_EXPIRED_CREDENTIALS = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
EXPIRED_RETRY_SECONDS = 60.0  # those of a role are renewed well within that; others never
_REFUSED_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def _send_at_once(request: Any, **_kwargs: Any) -> None:
    """A small object without asking first whether it may be sent, which is a round trip. Expect is in no signature."""
    told = (request.headers.get(name) for name in ("X-Amz-Decoded-Content-Length", "Content-Length"))
    if int(next(filter(None, told), AT_ONCE_BYTES)) < AT_ONCE_BYTES:
        request.headers.pop("Expect", None)


class AwsClients:
    """Lazily made clients; safe to share between threads."""

    def __init__(self, clock_skew: ClockSkew | None = None, *, is_brief: bool = False) -> None:
        """clock_skew: notes the Date of every answer. is_brief: give up soon: the caller comes again by itself."""
        brief = _BRIEF if is_brief else Config()
        self._config, self._dynamodb_config = _SDK_CONFIG.merge(brief), _SDK_CONFIG.merge(_DYNAMODB).merge(brief)
        self._making = RLock()  # making clients from one session is not thread-safe, using them is
        self.clock_skew = clock_skew or ClockSkew()
        with self._explained():
            botocore_session = self._botocore = _session()
            botocore_session.register("response-received", self.clock_skew.note)
            self.session = boto3.Session(botocore_session=botocore_session)

    @cached_property
    def s3(self) -> "S3Client":
        with self._explained():
            client = self.session.client("s3", config=self._config)
        client.meta.events.register("before-send.s3.PutObject", _send_at_once)
        return client

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        with self._explained():
            client = self.session.client("dynamodb", config=self._dynamodb_config)
        send_transactions_whole(client)
        return client

    @cached_property
    def bedrock(self) -> Any:
        """The control plane: batch jobs."""
        with self._explained():
            return self.session.client("bedrock", config=self._config)

    @cached_property
    def sqs(self) -> Any:
        with self._explained():
            return self.session.client("sqs", config=self._config)

    @cached_property
    def sns(self) -> Any:
        with self._explained():
            return self.session.client("sns", config=self._config)

    @cached_property
    def ses(self) -> Any:
        with self._explained():
            return self.session.client("ses", config=self._config)

    @cached_property
    def cloudwatch(self) -> Any:
        with self._explained():
            return self.session.client("cloudwatch", config=self._config)

    @cached_property
    def bedrock_runtime(self) -> Any:
        """Only asked for its endpoint and region; calls go through `bedrock/calls.py`."""
        with self._explained():
            return self.session.client("bedrock-runtime", config=self._config)

    def bearer_token(self, signing_name: str) -> str | None:
        """An API key of the service, from AWS_BEARER_TOKEN_<NAME>, which boto3 takes before any credentials."""
        return get_token_from_environment(signing_name)

    def authorities(self) -> str | None:
        """File or folder of the certificates that count (AWS_CA_BUNDLE, `ca_bundle`); None: those of the machine."""
        told = self._botocore.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        if told is not None and not Path(told).exists():
            raise ConfigurationError(f"There is no file of certificates {told!r}: correct AWS_CA_BUNDLE or ca_bundle")
        return told

    def frozen_credentials(self) -> Any:
        """Credentials as they are now. Raises ConfigurationError, also when a login has expired."""
        credentials = self.credentials()
        with self._explained():
            return credentials.get_frozen_credentials()

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
                "No AWS region is set: set AWS_DEFAULT_REGION or AWS_REGION, for example ap-northeast-1"
            ) from None
        except ProfileNotFound as error:
            raise ConfigurationError(f"{error}: correct AWS_PROFILE or add it to the AWS config file") from None
        except PartialCredentialsError as error:
            raise ConfigurationError(f"The AWS credentials are incomplete ({error}): {CREDENTIALS_HINT}") from None
        except _LOGIN_ENDED as error:
            raise ConfigurationError(f"{_LOGIN_HINT} ({error})") from None
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
    if session.get_config_variable("region") is None:  # boto3 does not read this one, and Lambda and ECS set no other
        session.set_config_variable("region", os.environ.get("AWS_REGION"))
    session.register_component("data_loader", _service_descriptions(session.get_config_variable("data_path")))
    return session


def raise_explained(error: Exception, what: str, setting: str, unavailable: Callable[[str], Exception]) -> NoReturn:
    """What a change of settings mends as ConfigurationError; everything else is away, and may come back by itself.

    what, setting: subject of the sentence, and what to look at. Where no connection comes about, either may be so: that
    is away as well, with a sentence for those who read it again and again.
    """
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        raise ConfigurationError(f"No AWS credentials were found for {what}: {CREDENTIALS_HINT}") from error
    if isinstance(error, _LOGIN_ENDED):
        raise ConfigurationError(f"{_LOGIN_HINT} ({error})") from error
    if isinstance(error, (EndpointConnectionError, ConnectTimeoutError)):
        endpoint = error.kwargs.get("endpoint_url", "its endpoint")
        raise unavailable(
            f"{what} cannot be reached at {endpoint}: if it never could, check AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
        ) from error
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    if code in _MISSING:
        raise ConfigurationError(f"{what} does not exist: deploy infra/storage.yaml or correct {setting}") from error
    if code in _DENIED:
        raise ConfigurationError(
            f"Access to {what} was denied: give this role the rights or correct {setting}"
        ) from error
    if code in _REFUSED_CREDENTIALS:
        raise ConfigurationError(f"AWS refused the credentials for {what} ({code}): {CREDENTIALS_HINT}") from error
    raise unavailable(f"{what} is away: {error}") from error


def store_unavailable(error: Exception) -> Callable[[str], StoreUnavailableError]:
    """StoreUnavailableError with the time that this error of DynamoDB or S3 is worth."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    retry_seconds = EXPIRED_RETRY_SECONDS if code in _EXPIRED_CREDENTIALS else math.inf
    return partial(StoreUnavailableError, retry_seconds=retry_seconds)
