"""Which URLs may be called back, and which addresses are public.

Belongs here: what can be said about a URL without asking a name server. Stays out: resolving and calling it
(`aws/outbound/callbacks.py` must ask `is_public_address` about what a name resolves to, each time, and follow no
redirect).

A callback makes our machines send a request where a stranger says. URLs are therefore matched against the few forms
we accept, instead of parsed: parsers disagree about `https://good@127.0.0.1`, `https://2130706433`, `https://a\\@b`.
"""

import ipaddress
import re

MAX_CALLBACK_CHARACTERS = 2048
HTTPS_PORT = 443
FIRST_UNPRIVILEGED_PORT = 1024
LAST_PORT = 65535

_REST = r"(?:[/?](?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
_URL = re.compile(
    rf"https://(?P<host>[A-Za-z0-9.-]{{1,253}}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?P<port>[0-9]{{1,5}}))?{_REST}"
)
_LOOPBACK_URL = re.compile(rf"https?://(?:127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]{{1,5}})?{_REST}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PRIVATE_SUFFIXES = frozenset(
    {"arpa", "corp", "home", "internal", "intranet", "lan", "local", "localdomain", "localhost", "onion"}
)
# 2001::/23 holds Teredo, 2002::/16 is 6to4: both carry an IPv4 address of any kind. 3fff::/20 is documentation.
_IPV6_UNICAST = ipaddress.IPv6Network("2000::/3")
_IPV6_NOT_PUBLIC = tuple(ipaddress.IPv6Network(each) for each in ("2001::/23", "2002::/16", "3fff::/20"))


def callback_problem(url: str) -> str | None:
    """Why this URL cannot be called back, without repeating it; None when nothing speaks against it."""
    found = _URL.fullmatch(url) if len(url) <= MAX_CALLBACK_CHARACTERS else None
    if found is None:
        return "must be an https URL in ASCII with a plain host: no user, no fragment, no other characters"
    if found["port"] is not None and not _is_allowed_port(int(found["port"])):
        return f"must use port {HTTPS_PORT} or one from {FIRST_UNPRIVILEGED_PORT} to {LAST_PORT}"
    return _host_problem(found["host"])


def callback_host(url: str) -> str:
    """The host that the URL names; "" for one that cannot be called back."""
    found = _URL.fullmatch(url) if len(url) <= MAX_CALLBACK_CHARACTERS else None
    return found["host"] if found else ""


def is_loopback_callback(url: str) -> bool:
    """Whether the URL leads to this very machine: allowed in the local stack alone, by an explicit setting."""
    return _LOOPBACK_URL.fullmatch(url) is not None


def is_public_address(address: str) -> bool:
    """Whether an IPv4 or IPv6 address is one of the public internet; False for what is no address.

    An IPv4 address inside an IPv6 one counts as what it is: ::ffff:127.0.0.1 is loopback.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if isinstance(parsed, ipaddress.IPv6Address):
        outside = parsed not in _IPV6_UNICAST or any(parsed in network for network in _IPV6_NOT_PUBLIC)
        return not outside and parsed.is_global
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _is_allowed_port(port: int) -> bool:
    return port == HTTPS_PORT or FIRST_UNPRIVILEGED_PORT <= port <= LAST_PORT


def _host_problem(host: str) -> str | None:
    if host.startswith("["):
        return None if is_public_address(host[1:-1]) else "must not name a private, loopback or reserved address"
    labels = host.removesuffix(".").split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        # Whatever a resolver would read as IPv4 (127.1, 0x7f.1, 2130706433) must be four plain decimal numbers.
        return None if is_public_address(host) else "must not name a private, loopback or reserved address"
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return "must name a host with its full domain name"
    if labels[-1].lower() in _PRIVATE_SUFFIXES:
        return "must not name a host of a private network"
    return None
