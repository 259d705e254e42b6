"""Whose API keys there are: the part of `infra/partners.json` that the request front is made of.

Belongs here: keys and limits of usage plans by logical ids. Stays out: the document's form and its other half
(`domain/requests/policies.py`), the plans and keys that come of it (`stage.py`).

Keys: several while one replaces another. A limit that is not given is the template's parameter for everybody. Just a
list of keys is the same as keys without limits.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.requests.policies import PartnerPolicy, PolicyError, read_policies


@dataclass(frozen=True, slots=True)
class Partner:
    """keys: names by logical id. key_ids: of keys made by hand. limits: of its usage plan, those that it has."""

    partner_id: str
    plan: str
    keys: Mapping[str, str]
    key_ids: tuple[str, ...]
    limits: Mapping[str, float]

    @property
    def references(self) -> list[str]:
        """All its keys' ids, as Fn::Sub reads them."""
        return [*(f"${{{key}}}" for key in self.keys), *self.key_ids]


def read_partners(document: Any, analyses: Collection[str] | None = None) -> list[Partner]:
    """analyses: as `read_policies` takes them. Raises PolicyError."""
    partners = [_partner(name, policy) for name, policy in read_policies(document, analyses).partners.items()]
    for kind, ids in (
        ("partner id", [each.plan for each in partners]),
        ("name of an API key", [key for each in partners for key in each.keys]),
    ):
        if twice := {each for each in ids if ids.count(each) > 1}:
            raise PolicyError(f"a {kind} is there twice, but for case and punctuation: {', '.join(sorted(twice))}")
    return partners


def _partner(partner_id: str, policy: PartnerPolicy) -> Partner:
    given = {
        "requests_per_second": policy.requests_per_second,
        "burst": policy.burst,
        "requests_per_day": policy.requests_per_day,
    }
    limits = {name: limit for name, limit in given.items() if limit is not None}
    keys = {_logical_id("Key", name): name for name in policy.keys}
    return Partner(partner_id, _logical_id("Plan", partner_id), keys, policy.key_ids, limits)


def _logical_id(kind: str, name: str) -> str:
    return kind + "".join(part.capitalize() for part in re.split("[-_]", name))
