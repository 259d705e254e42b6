"""Our signatures are botocore's, header for header."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.aws.bedrock.signing import JsonPostSigner

JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
ENDPOINTS = [
    "https://bedrock-runtime.ap-northeast-1.amazonaws.com",
    "https://bedrock-runtime.example:443",
    "http://127.0.0.1:56289",
    "http://[::1]:8080",
    "HTTPS://Proxy.Example:8443",
]
PATHS = [
    "/model/global.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse",
    "/model/arn%3Aaws%3Abedrock%3Aap-northeast-1%3A1%3Ainference-profile%2Fx/converse",
    "/model/a~b_c-d.e/converse",
]
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)


def botocore_headers(endpoint: str, path: str, body: bytes, credentials: Credentials, region: str) -> dict[str, str]:
    request = AWSRequest("POST", endpoint + path, dict(JSON_HEADERS), body)
    SigV4Auth(credentials, "bedrock", region).add_auth(request)
    return dict(request.headers.items())


@given(
    endpoint=st.sampled_from(ENDPOINTS),
    path=st.sampled_from(PATHS),
    body=st.binary(min_size=1, max_size=300),
    access_key=secrets,
    secret_key=secrets,
    token=st.none() | secrets,
    region=st.sampled_from(["ap-northeast-1", "us-east-1"]),
)
def test_every_header_is_the_one_botocore_makes(
    endpoint: str, path: str, body: bytes, access_key: str, secret_key: str, token: str | None, region: str
) -> None:
    credentials = Credentials(access_key, secret_key, token)
    theirs = botocore_headers(endpoint, path, body, credentials, region)
    moment = datetime.strptime(theirs["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = JsonPostSigner.of(endpoint, region, "bedrock").headers(path, body, credentials, moment)
    assert ours == theirs


@pytest.mark.parametrize("changed", ["secret_key", "body", "day"])
def test_what_is_kept_between_requests_never_signs_for_another(changed: str) -> None:
    signer = JsonPostSigner.of(ENDPOINTS[0], "ap-northeast-1", "bedrock")
    first = {"secret_key": "one", "body": b"{}", "day": 1}
    second = first | {changed: {"secret_key": "two", "body": b"{ }", "day": 2}[changed]}
    signatures = {
        signer.headers(
            PATHS[0],
            each["body"],
            SimpleNamespace(access_key="a", secret_key=each["secret_key"], token=None),
            datetime(2026, 1, each["day"], 12, tzinfo=UTC),
        )["Authorization"]
        for each in (first, second, first, second)
    }
    assert len(signatures) == 2
