"""What each partner may: the document of policies, read and checked as a whole.

Belongs here: `PartnerPolicy`, the document's form, which of it a row may change. Stays out: what a request is told
(`policy_checks.py`), the API's keys and usage plans (`api/partners.py`), rows (`gateways/requests.py`).

    {"*": {"micro_usd_per_day": 20000000},
     "acme": {"keys": ["acme-1"], "micro_usd_per_month": null, "callback_hosts": ["*.acme.example"]}}

`*` is for all partners, also those that are not in the document; a partner's own entry counts before it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Protocol

from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.loading import packaged_models
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.problems import Code, Location, Problem, in_order, problem, schema_problems
from manga_enrichment.domain.requests.schemas import ENVELOPE, PARTNER_POLICY, schema_document, schema_validator

FOR_ALL = "*"
CHANGEABLE = frozenset({"micro_usd_per_day", "micro_usd_per_month", "lane_share", "analyses", "models"})
"""What a row may say instead of the document, without a deployment. Whom we call or write to stays reviewed text."""

_SHOWN_PROBLEMS = 20


class PolicyError(ConfigurationError):
    """The document cannot be used; says all that is wrong, with its places."""


@dataclass(frozen=True, slots=True)
class PartnerPolicy:
    """None: no limit, or any.

    requests_per_second, burst, requests_per_day   of the API's usage plan; None: the template's parameters
    lane_share         largest part of a run's calls at one model at once
    analyses, models   names and aliases that may be asked for
    callback_hosts     `*.` stands for any host below
    results_topic      a topic of its own hears of its requests; subscriber_accounts may subscribe to it
    email_addresses    `*@` stands for any address of a domain; none: no mail
    """

    keys: tuple[str, ...] = ()
    key_ids: tuple[str, ...] = ()
    requests_per_second: float | None = None
    burst: int | None = None
    requests_per_day: int | None = None
    micro_usd_per_day: int | None = None
    micro_usd_per_month: int | None = None
    lane_share: float = 1.0
    analyses: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    callback_hosts: tuple[str, ...] | None = None
    email_addresses: tuple[str, ...] = ()
    results_topic: bool = False
    subscriber_accounts: tuple[str, ...] = ()
    retention_days: int | None = None

    def places(self, of_all: int) -> int:
        """How many of so many places at a model it may take at once."""
        return max(1, int(of_all * self.lane_share))

    def may_ask(self, analysis: str) -> bool:
        return self.analyses is None or analysis in self.analyses

    def may_use(self, model_alias: str) -> bool:
        return self.models is None or model_alias in self.models

    def may_call_back(self, host: str) -> bool:
        """host: in any case, without a port."""
        name = host.lower().removesuffix(".")
        return self.callback_hosts is None or any(_is_host(name, each) for each in self.callback_hosts)

    def may_mail(self, address: str) -> bool:
        asked = address.lower()
        allowed = (each.lower() for each in self.email_addresses)
        return any(asked == each or (each.startswith("*@") and asked.endswith(each[1:])) for each in allowed)

    def changed(self, changes: Mapping[str, Any]) -> "PartnerPolicy":
        """changes: as `checked_changes` lets them pass."""
        return replace(self, **_values(changes))

    def to_document(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in PartnerPolicy.__slots__
            if (value := getattr(self, name)) not in (None, (), False)
        }


ANYTHING = PartnerPolicy()


class PartnerPolicies(Protocol):
    """Whoever knows what a partner may. Asking may raise StoreUnavailableError."""

    def of(self, partner_id: str) -> PartnerPolicy: ...


@dataclass(frozen=True, slots=True)
class Policies:
    """The document. for_all: of partners that it does not name."""

    partners: Mapping[str, PartnerPolicy] = field(default_factory=lambda: MappingProxyType({}))
    for_all: PartnerPolicy = ANYTHING

    def of(self, partner_id: str) -> PartnerPolicy:
        return self.partners.get(partner_id, self.for_all)


NO_POLICIES = Policies()


def cap_ends_on(error_class: str, today: date) -> date | None:
    """The UTC day on which a partner's cap that was reached today counts anew; None for what is no such cap."""
    if error_class == ErrorClass.PARTNER_DAY_CAP:
        return today + timedelta(days=1)
    if error_class == ErrorClass.PARTNER_MONTH_CAP:
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return None


def read_policies(document: Any, analyses: Collection[str] | None = None) -> Policies:
    """analyses: names of what there is to ask for; None: of the packaged ones. Raises PolicyError."""
    if not isinstance(document, Mapping):
        raise PolicyError("$: must be a JSON object: by partner id, its policy")
    entries = {name: {"keys": entry} if isinstance(entry, list) else entry for name, entry in document.items()}
    if found := in_order(_problems(entries, packaged_analyses().for_partners if analyses is None else analyses)):
        raise PolicyError(_sentence(found))
    for_all = PartnerPolicy(**_values(entries.get(FOR_ALL, {})))
    return Policies(
        {name: replace(for_all, **_values(entry)) for name, entry in entries.items() if name != FOR_ALL}, for_all
    )


def checked_changes(changes: Any, analyses: Collection[str] | None) -> dict[str, Any]:
    """What a row may say of one partner. analyses: names of what there is to ask for; None: any will do, since a row
    may be older than what there is today. Raises PolicyError.
    """
    found = list(_entry_problems((), changes, analyses))
    if isinstance(changes, Mapping):
        found += [
            problem(
                (name,), Code.SCHEMA_VIOLATION, "changeable", f"a row changes {', '.join(sorted(CHANGEABLE))} alone"
            )
            for name in changes
            if name not in CHANGEABLE
        ]
    if found:
        raise PolicyError(_sentence(in_order(found)))
    return dict(changes)


def _values(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}


def _problems(entries: Mapping[str, Any], analyses: Collection[str]) -> Iterator[Problem]:
    is_partner_id = schema_validator(ENVELOPE).evolve(schema=schema_document(ENVELOPE)["properties"]["partner_id"])
    for name, entry in entries.items():
        if name != FOR_ALL and not is_partner_id.is_valid(name):
            yield problem((name,), Code.SCHEMA_VIOLATION, "partner_id", "is no partner id: letters, digits, - and _")
        yield from _entry_problems((name,), entry, analyses)
        if name == FOR_ALL and isinstance(entry, Mapping) and entry.keys() & _OF_ONE:
            message = f"{', '.join(sorted(_OF_ONE))} are a partner's own"
            yield problem((name,), Code.SCHEMA_VIOLATION, "of_one", message)
    for kind in ("keys", "key_ids"):
        yield from _twice(entries, kind)


_OF_ONE = frozenset({"keys", "key_ids", "results_topic", "subscriber_accounts"})


def _entry_problems(place: Location, entry: Any, analyses: Collection[str] | None) -> Iterator[Problem]:
    for each in schema_problems(schema_validator(PARTNER_POLICY).iter_errors(entry)):
        yield replace(each, location=(*place, *each.location))
    if not isinstance(entry, Mapping):
        return
    for name, known in (("analyses", analyses), ("models", _models())):
        listed = entry.get(name)
        for position, each in enumerate(listed if isinstance(listed, list) else ()):
            if known is not None and isinstance(each, str) and each not in known:
                message = f"must be one of {', '.join(known)}"
                yield problem((*place, name, position), Code.SCHEMA_VIOLATION, "enum", message)


def _models() -> list[str]:
    """Also those that no request can name: a lane's model (MANGA_LANE_MODELS) is one that must have been agreed on."""
    return sorted(packaged_models().aliases)


def _twice(entries: Mapping[str, Any], kind: str) -> Iterator[Problem]:
    """A key is one partner's."""
    seen: set[str] = set()
    for name, entry in entries.items():
        listed = entry.get(kind) if isinstance(entry, Mapping) else None
        for position, key in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(key, str) and key.lower() in seen:
                yield problem((name, kind, position), Code.SCHEMA_VIOLATION, "once", "is there twice")
            seen.add(str(key).lower())


def _sentence(found: list[Problem]) -> str:
    told = [f"{each.path}: {each.message}" for each in found[:_SHOWN_PROBLEMS]]
    more = [f"and {len(found) - _SHOWN_PROBLEMS} more"] if len(found) > _SHOWN_PROBLEMS else []
    return "; ".join([*told, *more])


def _is_host(name: str, allowed: str) -> bool:
    return name.endswith(allowed[1:]) if allowed.startswith("*.") else name == allowed
