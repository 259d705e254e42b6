"""Our ids for titles of a source that has only its own.

Belongs here: deriving an id, and what happens when two titles come to the same. Stays out: where the source's id is
(`mapping.py`), storing what is remembered (`pipeline/catalog/refresh.py`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import count

_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PREFIX = "MNG-"
_LENGTH = 8
_LATER_ATTEMPTS = (1, 2)
"""Looked for among stored titles; a third meeting does not happen."""


def derived_id(source: str, source_id: str, attempt: int = 0) -> str:
    """A `MNG-` id: the same on any day and machine.

    Two of a million titles share the first attempt about once in six catalogs.
    """
    text = f"{source}\n{source_id}" if attempt == 0 else f"{source}\n{source_id}\n{attempt}"
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()[:16], "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_CHARACTERS))
        digits.append(_CHARACTERS[digit])
    return f"{_PREFIX}{''.join(digits)}"


class IdRegister:
    """Who has which id, of one import: whoever had it first keeps it, the next gets another attempt.

    About 130 bytes for each title, until it is closed.
    """

    def __init__(self, remembered: Mapping[str, str], stored: Iterable[tuple[str, str, str]] = ()) -> None:
        """remembered: `source, line break, source id` -> id, of titles that met before; stored: (id, source, source
        id) of the titles of the catalog that is replaced."""
        self.remembered = dict(remembered)
        self._owners: dict[int, int] = {}
        for manga_id, source, source_id in stored:
            key = f"{source}\n{source_id}"
            self._owners[_number(manga_id)] = _digest(key)
            if manga_id in (derived_id(source, source_id, attempt) for attempt in _LATER_ATTEMPTS):
                self.remembered[key] = manga_id
        self._owners |= {_number(manga_id): _digest(key) for key, manga_id in remembered.items()}

    def of(self, source: str, source_id: str) -> str:
        """The id of this title, which nobody else has."""
        key = f"{source}\n{source_id}"
        if key in self.remembered:
            return self.remembered[key]
        digest = _digest(key)
        for attempt in count():
            manga_id = derived_id(source, source_id, attempt)
            if self._owners.setdefault(_number(manga_id), digest) == digest:
                break
        if attempt:
            self.remembered[key] = manga_id
        return manga_id

    def close(self) -> None:
        """Give back the memory; what is to be remembered stays. No more ids are asked for."""
        self._owners.clear()


def _number(manga_id: str) -> int:
    return int(manga_id.removeprefix(_PREFIX), len(_CHARACTERS))


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "backslashreplace"), digest_size=8).digest(), "big")
