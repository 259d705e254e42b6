"""Signature Version 4 of one kind of request, many times: POST of JSON to paths of one endpoint.

Belongs here: the arithmetic of a signature, with everything that is the same for the next request kept. Stays out:
where credentials come from (botocore, `aws/clients.py`). botocore's own signer takes about as much CPU as the HTTP
request, most of it for headers and URLs that never change; a test holds both to the same signatures.

Source: "Create a signed AWS API request", AWS Identity and Access Management user guide.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Protocol
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_JSON = "application/json"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class FrozenCredentials(Protocol):
    """What botocore's `get_frozen_credentials` returns."""

    @property
    def access_key(self) -> str: ...

    @property
    def secret_key(self) -> str: ...

    @property
    def token(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class JsonPostSigner:
    """Signs for one endpoint (scheme, host and port), region and service (its signing name)."""

    host: str
    region: str
    service: str

    @classmethod
    def of(cls, endpoint: str, region: str, service: str) -> "JsonPostSigner":
        parts = urlsplit(endpoint)
        name = parts.hostname or ""
        host = f"[{name}]" if ":" in name else name
        if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
            host = f"{host}:{parts.port}"
        return cls(host, region, service)

    @staticmethod
    def bearer_headers(token: str) -> dict[str, str]:
        """The same with an API key, which signs nothing."""
        return {"Accept": _JSON, "Content-Type": _JSON, "Authorization": f"Bearer {token}"}

    def headers(self, path: str, body: bytes, credentials: FrozenCredentials, now: datetime) -> dict[str, str]:
        """All headers to send with the body. path: as on the wire, percent-encoded once; now: UTC."""
        moment = now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        token = credentials.token
        names = "accept;content-type;host;x-amz-date" + (";x-amz-security-token" if token else "")
        token_line = f"x-amz-security-token:{token}\n" if token else ""
        canonical = (
            f"POST\n{_encoded_again(path)}\n\n"
            f"accept:{_JSON}\ncontent-type:{_JSON}\nhost:{self.host}\nx-amz-date:{moment}\n{token_line}\n"
            f"{names}\n{sha256(body).hexdigest()}"
        )
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = _signing_key(credentials.secret_key, moment[:8], self.region, self.service)
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers = {
            "Accept": _JSON,
            "Content-Type": _JSON,
            "X-Amz-Date": moment,
            "Authorization": f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}",
        }
        if token:
            headers["X-Amz-Security-Token"] = token
        return headers


@lru_cache(maxsize=16)
def _encoded_again(path: str) -> str:
    """Every service but S3 signs the path encoded twice."""
    return quote(path, safe="/~")


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """Good for a day."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
