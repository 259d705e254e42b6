"""What a request asks for and its partner's policy does not allow, each with its place.

Belongs here: the checks. Stays out: the policy (`policies.py`), what may not be asked for by anybody (`validation.py`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.requests.asked_models import AliasOf, asked_alias, own_alias
from manga_enrichment.domain.requests.callback_urls import callback_host
from manga_enrichment.domain.requests.policies import PartnerPolicy
from manga_enrichment.domain.requests.problems import Code, Location, Problem, problem
from manga_enrichment.domain.requests.schemas import schema_document


def policy_problems(
    schema: str,
    body: Any,
    policy: PartnerPolicy,
    analyses: Mapping[str, AnalysisType],
    alias_of: AliasOf = own_alias,
    *,
    sends_mail: bool = False,
) -> Iterator[Problem]:
    """body may be invalid in any way. analyses: what a batch may ask for. sends_mail: somebody does; else an address
    has no effect.
    """
    if not isinstance(body, Mapping):
        return
    model = body.get("model", schema_document(schema)["properties"].get("model", {}).get("default"))
    if isinstance(model, str) and not policy.may_use(model):
        yield _refused(("model",), f"{_listed(policy.models)} may be asked")
    items = body.get("items")
    for position, item in enumerate(items if isinstance(items, list) else ()):
        name = item.get("analysis_type") if isinstance(item, Mapping) else None
        if isinstance(name, str) and name in analyses:
            alias = None if isinstance(model, str) else asked_alias(body, analyses[name], alias_of)
            yield from _analysis_problems(position, name, policy, alias)
    url = body.get("callback_url")
    host = callback_host(url) if isinstance(url, str) else ""
    if host and not policy.may_call_back(host):
        yield _refused(("callback_url",), "its host is not one of those that may be called back")
    notification = body.get("notification")
    address = notification.get("email") if isinstance(notification, Mapping) else None
    if sends_mail and isinstance(address, str) and not policy.may_mail(address):
        yield _refused(("notification", "email"), "it is not one of the addresses that may be written to")


def _analysis_problems(position: int, name: str, policy: PartnerPolicy, alias: str | None) -> Iterator[Problem]:
    """alias: of which it would be asked; None: the request chooses one, which is judged by itself."""
    place = ("items", position, "analysis_type")
    if not policy.may_ask(name):
        yield _refused(place, f"{_listed(policy.analyses)} may be asked for")
    elif alias and not policy.may_use(alias):
        yield _refused(place, f"it is asked of {alias}; {_listed(policy.models)} may be asked")


def _listed(names: tuple[str, ...] | None) -> str:
    return f"only {', '.join(names)}" if names else "nothing"


def _refused(place: Location, what: str) -> Problem:
    return problem(place, Code.NOT_ALLOWED, "policy", f"is not agreed on with this partner: {what}")
