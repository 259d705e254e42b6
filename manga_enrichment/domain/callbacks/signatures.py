"""How a receiver knows that a callback is ours, unchanged and fresh.

Belongs here: keys, signing, verifying. Stays out: where the secret comes from (`settings/variables.py`), sending.

    X-Manga-Timestamp: 1767225600
    X-Manga-Signature: key=1,v1=<hex of HMAC-SHA256(secret, timestamp + "." + body)>

The timestamp is signed, so an old callback cannot be sent again as a new one. It is the time of the attempt: each try
of an event has its own signature over the same body. The key's id lets a secret be replaced without a moment in which
callbacks fail: the receiver knows both for a while. `v1` names the method.

Each partner has a secret of its own, derived from ours. With one for all, every partner could sign in our name to every
other.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

TIMESTAMP_HEADER = "X-Manga-Timestamp"
SIGNATURE_HEADER = "X-Manga-Signature"
FRESH_SECONDS = 300
"""How far a receiver lets the timestamp be from its own clock."""

MIN_SECRET_CHARACTERS = 32
KEY_ID_PATTERN = r"[A-Za-z0-9._-]{1,32}"

_SIGNATURE = re.compile(rf"key=(?P<key_id>{KEY_ID_PATTERN}),v1=(?P<digest>[0-9a-f]{{64}})")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureError(ValueError):
    """The callback is not to be believed; says why, in one sentence without secrets."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """key_id is public and travels with each signature; the secret never shows, not even in a repr."""

    key_id: str
    secret: str = field(repr=False)


def partner_signing_key(master: SigningKey, partner_id: str) -> SigningKey:
    """The key of one partner. Whoever has it can neither find ours nor another partner's."""
    return SigningKey(master.key_id, _hmac(master.secret, f"manga-callback\n{partner_id}".encode()))


def signed_headers(key: SigningKey, body: bytes, now: datetime) -> dict[str, str]:
    """The two headers that go with this body when it is sent now."""
    timestamp = str(int(now.timestamp()))
    return {
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: f"key={key.key_id},v1={_digest(key.secret, timestamp, body)}",
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Mapping[str, str],
    now: datetime,
    *,
    fresh_seconds: int = FRESH_SECONDS,
) -> None:
    """For receivers: returns when the callback is ours and fresh, else raises SignatureError.

    headers: names in any case. body: the bytes as received, before any parsing. secrets: by key id.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp = given.get(TIMESTAMP_HEADER.lower(), "")
    signature = _SIGNATURE.fullmatch(given.get(SIGNATURE_HEADER.lower(), ""))
    if signature is None or not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError(f"{SIGNATURE_HEADER} or {TIMESTAMP_HEADER} is missing or malformed")
    secret = secrets.get(signature["key_id"])
    if secret is None:
        raise SignatureError("it is signed with a key that is not known here")
    if not hmac.compare_digest(_digest(secret, timestamp, body), signature["digest"]):
        raise SignatureError("the signature does not fit the body")
    if abs(now.timestamp() - int(timestamp)) > fresh_seconds:
        raise SignatureError(f"it was signed more than {fresh_seconds} s from now")


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return _hmac(secret, timestamp.encode() + b"." + body)


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
