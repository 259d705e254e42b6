"""The token of the door: an application load balancer of AWS that asked who somebody is signs what it was told.

Belongs here: verifying it. Stays out: fetching keys (`known_keys.py`), what tells ours from others
(`domain/operations/door.py`).

Issuer, client, signer and end stand in its header, which is signed as the rest is. All are looked at before a key is
fetched and count for nothing until the signature holds. A plain header, such as x-amzn-oidc-identity, is never read:
who reaches the port can write it.
"""

from collections.abc import Mapping
from typing import Any

import jwt
from jwt.types import Options

from manga_enrichment.browse.edit.identity import Identify, NobodyError, is_name
from manga_enrichment.browse.edit.known_keys import KnownKeys
from manga_enrichment.domain.operations.door import Door
from manga_enrichment.gateways.clock import Clock

HEADER = "x-amzn-oidc-data"
MAX_TOKEN_CHARACTERS = 16_384
_ALGORITHM = "ES256"
_OURS: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
}
"""Of the library, the signature alone: time is asked of our clock, and the audience is in the header."""


def through(door: Door, keys: KnownKeys, clock: Clock) -> Identify:
    """Whoever came through this door."""

    def identify(headers: Mapping[str, str]) -> str:
        token = headers.get(HEADER, "")
        if not token:
            raise NobodyError("the request has no token of the door: come by its address")
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise NobodyError("the token is too long to be the door's")
        try:
            told = jwt.get_unverified_header(token)
            _check_header(told, door, clock)
            claims = jwt.decode(token, keys.key(told.get("kid")), algorithms=[_ALGORITHM], options=_OURS)
        except jwt.PyJWTError as error:
            raise NobodyError(f"the token is not genuine: {type(error).__name__}") from error
        return _name(claims, door, clock)

    return identify


def _check_header(told: Mapping[str, Any], door: Door, clock: Clock) -> None:
    if told.get("alg") != _ALGORITHM:
        raise NobodyError(f"the token is not signed by {_ALGORITHM}")
    for name, meant, wanted in (
        ("signer", "another load balancer signed it", door.arn),
        ("client", "it is for another audience", door.client_id),
        ("iss", "another issuer said it", door.issuer),
    ):
        if told.get(name) != wanted:
            raise NobodyError(f"the token is not of this door: {meant}")
    _check_end(told.get("exp"), clock)


def _name(claims: Mapping[str, Any], door: Door, clock: Clock) -> str:
    if claims.get("iss", door.issuer) != door.issuer:
        raise NobodyError("the token is not of this door: another issuer said it")
    if "exp" in claims:
        _check_end(claims["exp"], clock)
    if door.claim == "email" and str(claims.get("email_verified", "true")).lower() != "true":
        raise NobodyError("nobody has verified that the e-mail address is theirs")
    name = claims.get(door.claim)
    if not isinstance(name, str) or not is_name(name):
        raise NobodyError(f"the token names nobody: it has no {door.claim} (MANGA_DOOR_CLAIM)")
    return name


def _check_end(end: object, clock: Clock) -> None:
    if not isinstance(end, int | float) or isinstance(end, bool):
        raise NobodyError("the token has no end")
    if end <= clock.now().timestamp():
        raise NobodyError("the token has run out: load the page again")
