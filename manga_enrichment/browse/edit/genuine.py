"""Whether a form was sent from a page of ours by the person it was made for: no other site can make a browser do it.

Belongs here: the sign that each form carries, and what a browser says of where a request comes from. Stays out: who the
person is (`identity.py`), what the form says.

    1767229200.<hex of HMAC-SHA256(secret, end + newline + name)>

The secret is made when the process starts and kept nowhere: forms of a process before this one have run out.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from manga_enrichment.gateways.clock import Clock

VALID_SECONDS = 4 * 3600
_SIGN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")


class Genuine:
    def __init__(self, secret: bytes, clock: Clock) -> None:
        """secret: 32 random bytes."""
        self._secret, self._clock = secret, clock

    def sign(self, name: str) -> str:
        """For a form that is shown to this person now."""
        end = str(int(self._clock.now().timestamp()) + VALID_SECONDS)
        return f"{end}.{self._digest(end, name)}"

    def is_theirs(self, sign: str, name: str) -> bool:
        """Whether this sign was made for this person, and has not run out."""
        found = _SIGN.fullmatch(sign)
        if not found or not hmac.compare_digest(found[2], self._digest(found[1], name)):
            return False
        return int(found[1]) > self._clock.now().timestamp()

    def _digest(self, end: str, name: str) -> str:
        return hmac.new(self._secret, f"{end}\n{name}".encode(), hashlib.sha256).hexdigest()


def stranger(headers: Mapping[str, str]) -> str:
    """Why a request does not come from a page of this site, as its browser says; "" when it does.

    Any browser says the origin of a form that it sends. The scheme is not compared: before the door it is another one.
    """
    site = headers.get("sec-fetch-site", "same-origin")
    if site != "same-origin":
        return f"the form was sent from another site (Sec-Fetch-Site: {site[:20]})"
    origin = headers.get("origin", "")
    if not origin or origin == "null":
        return "the browser does not say from which page the form was sent (Origin)"
    if urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        return "the form was sent from another site (Origin)"
    return ""
