"""Who asks: a person whom the door names, or the one user of this machine.

Belongs here: what it means to be known. Stays out: the door's token (`door.py`).
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address

from manga_enrichment.domain.errors import ConfigurationError

MAX_NAME_CHARACTERS = 100

Identify = Callable[[Mapping[str, str]], str]
"""Headers of a request, names in lower case -> the person's name. Raises NobodyError, CannotTellError."""


class NobodyError(Exception):
    """Whoever asks is not known. The message says why, and has nothing of the token."""


class CannotTellError(Exception):
    """Who asks cannot be told for now, as a key could not be fetched."""


def is_name(text: str) -> bool:
    """Fit to stand beside a correction for ever."""
    return text == text.strip() and 0 < len(text) <= MAX_NAME_CHARACTERS and text.isprintable()


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def local_user(name: str, host: str, other_hosts: tuple[str, ...] = ()) -> Identify:
    """Everybody is `name`, since only this machine reaches the port. Raises ConfigurationError where others might."""
    if not name:
        raise ConfigurationError("Whose corrections are they? Say --as NAME with --edit: it stands beside each of them")
    if not is_name(name):
        raise ConfigurationError(f"--as takes 1 to {MAX_NAME_CHARACTERS} printable characters, none blank at an end")
    if not is_loopback(host) or other_hosts:
        raise ConfigurationError(
            "--edit without a door is for this machine alone: leave --host and --allow-host out, or name the load "
            "balancer that asks who somebody is with MANGA_DOOR_ARN and its neighbours (docs/browse.md)"
        )
    return lambda _headers: name
