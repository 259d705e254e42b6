"""Who may call the request front and how much: `infra/partners.json`, read and checked.

Belongs here: the file's form. Stays out: the plans and keys that come of it (`stage.py`).

    {"acme": {"keys": ["acme-1"], "requests_per_second": 20, "burst": 40, "requests_per_day": 100000}}

Keys: several while one replaces another. A limit that is not given is the template's parameter for everybody. Just a
list of keys is the same as keys without limits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.requests.schemas import ENVELOPE, schema_document

LIMITS = ("requests_per_second", "burst", "requests_per_day")

_PARTNER_ID = re.compile(schema_document(ENVELOPE)["properties"]["partner_id"]["pattern"].strip("^$"))
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


class PartnersError(ValueError):
    """The list of partners and keys cannot be used; says why."""


@dataclass(frozen=True, slots=True)
class Partner:
    """keys: names by logical id. limits: those of LIMITS that are its own."""

    partner_id: str
    plan: str
    keys: Mapping[str, str]
    limits: Mapping[str, float]


def read_partners(document: Any) -> list[Partner]:
    """Raises PartnersError."""
    if not isinstance(document, Mapping):
        raise PartnersError("it must be a JSON object: by partner id, a list of names of API keys, or keys and limits")
    partners = [_partner(partner_id, entry) for partner_id, entry in document.items()]
    for kind, ids in (
        ("partner id", [each.plan for each in partners]),
        ("name of an API key", [key for each in partners for key in each.keys]),
    ):
        if twice := {each for each in ids if ids.count(each) > 1}:
            raise PartnersError(f"a {kind} is there twice, but for case and punctuation: {', '.join(sorted(twice))}")
    return partners


def _partner(partner_id: str, entry: Any) -> Partner:
    entry = {"keys": entry} if isinstance(entry, list) else entry
    if not _PARTNER_ID.fullmatch(partner_id):
        raise PartnersError(f"{partner_id!r} is no partner id: letters, digits, - and _, at most 63")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("keys"), list) or entry.keys() - {"keys", *LIMITS}:
        raise PartnersError(f"{partner_id}: give `keys`, a list of names, and of {', '.join(LIMITS)} what is its own")
    keys: dict[str, str] = {}
    for name in entry["keys"]:
        if not isinstance(name, str) or not _KEY_NAME.fullmatch(name) or _logical_id("Key", name) in keys:
            raise PartnersError(f"{name!r} is no name of an API key, or is there twice: letters, digits and -")
        keys[_logical_id("Key", name)] = name
    limits = {name: entry[name] for name in LIMITS if name in entry}
    for name, limit in limits.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0 or _is_broken(name, limit):
            raise PartnersError(f"{partner_id}: {name} must be a positive number, and a whole one but for the rate")
    return Partner(partner_id, _logical_id("Plan", partner_id), keys, limits)


def _is_broken(name: str, limit: float) -> bool:
    return name != "requests_per_second" and limit != int(limit)


def _logical_id(kind: str, name: str) -> str:
    return kind + "".join(part.capitalize() for part in re.split("[-_]", name))
