"""A door for tests: a key pair, tokens as the load balancer of AWS makes them, and forged ones.

Belongs here: making tokens. Stays out: what is to become of them.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from manga_enrichment.browse.edit.door import MAX_TOKEN_CHARACTERS
from manga_enrichment.domain.operations.door import Door
from manga_enrichment_tests.fake_clock import START

KEY_ID = "0f3c1a52-8a3e-4f0e-9c57-2c1f2f5b7a11"
DOOR = Door(
    arn="arn:aws:elasticloadbalancing:ap-northeast-1:123456789012:loadbalancer/app/door/50dc6c495c0c9188",
    issuer="https://login.example.com",
    client_id="titles",
    keys_url="http://127.0.0.1:1",
    claim="email",
)
EDITOR = "naoko@example.com"
KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
END = int(START.timestamp()) + 120


def public_pem(key: ec.EllipticCurvePrivateKey = KEY) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


def token(
    claims: Mapping[str, Any] | None = None,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    without: str = "",
    **header: Any,
) -> str:
    """Segments are padded, as AWS pads them. header: what differs from a genuine one; without: a name left out."""
    told = {"typ": "JWT", **_genuine("ES256"), **header}
    said = {"sub": "1234", "email": EDITOR, "exp": END, "iss": DOOR.issuer} if claims is None else claims
    told.pop(without, None)
    signed = f"{_padded(told)}.{_padded(said)}"
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signed.encode(), key)
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode()}"


def unsigned(**header: Any) -> str:
    """As anybody can write one."""
    return f"{_padded(_genuine('none') | header)}.{_padded({'email': EDITOR})}."


def signed_by_the_public_key() -> str:
    """HS256 with what everybody knows: a reader that takes the token's word for the method believes it."""
    signed = f"{_padded(_genuine('HS256'))}.{_padded({'email': EDITOR})}"
    digest = hmac.new(public_pem().encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode()}"


def _genuine(algorithm: str) -> dict[str, Any]:
    told = {"alg": algorithm, "kid": KEY_ID, "iss": DOOR.issuer, "client": DOOR.client_id, "signer": DOOR.arn}
    return {**told, "exp": END}


def _padded(document: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


FORGED = {
    "wrong key": (token(key=OTHER_KEY), "InvalidSignature"),
    "no signature": (unsigned(), "not signed by ES256"),
    "no signature, another method said": (unsigned(alg="ES256"), "not genuine"),
    "method is the public key's": (signed_by_the_public_key(), "not signed by ES256"),
    "wrong audience": (token(client="another"), "another audience"),
    "no audience": (token(without="client"), "another audience"),
    "other issuer": (token(iss="https://evil.example"), "another issuer"),
    "other issuer in the claims": (token({"email": EDITOR, "iss": "https://evil.example"}), "another issuer"),
    "other load balancer": (token(signer=DOOR.arn.replace("123456789012", "999999999999")), "another load balancer"),
    "no load balancer": (token(without="signer"), "another load balancer"),
    "expired": (token(exp=END - 600), "run out"),
    "expired in the claims": (token({"email": EDITOR, "exp": END - 600}), "run out"),
    "endless": (token(without="exp"), "no end"),
    "end is a word": (token(exp="never"), "no end"),
    "end is true": (token(exp=True), "no end"),
    "no key": (token(without="kid"), "no key"),
    "key is a path": (token(kid="../../evil"), "no key"),
    "key is a list": (token(kid=[KEY_ID]), "not genuine"),
    "unknown key": (token(kid="11111111-2222"), "no key of the id"),
    "nobody": (token({"sub": "1234"}), "no email"),
    "name of several lines": (token({"email": "a\nb"}), "no email"),
    "name is a list": (token({"email": [EDITOR]}), "no email"),
    "unverified address": (token({"email": EDITOR, "email_verified": "false"}), "nobody has verified"),
    "claims are changed": (token()[:-90] + "A" + token()[-89:], "not genuine"),
    "no token at all": ("abc", "not genuine"),
    "too long": ("a" * (MAX_TOKEN_CHARACTERS + 1), "too long"),
    "none": ("", "no token"),
}
"""What is wrong with a token -> the token, and the reason that is given."""
