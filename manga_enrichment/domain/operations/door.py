"""The door: a load balancer that asks who somebody is before it lets them through, and signs what it was told.

Belongs here: what tells a token of ours from any other. Stays out: reading one (`browse/edit/door.py`), where the
values come from (`settings/variables.py`).
"""

import re
from dataclasses import dataclass

_ARN = re.compile(r"arn:aws[-a-z]*:elasticloadbalancing:([a-z0-9-]{1,25}):[0-9]{12}:loadbalancer/app/\S+")


@dataclass(frozen=True, slots=True)
class Door:
    """arn: of the load balancer, which signs; issuer, client_id: of whom it asks; claim: the one that names a person.

    keys_url: where its public keys are, each under its id.
    """

    arn: str
    issuer: str
    client_id: str
    keys_url: str
    claim: str


def keys_url_of(arn: str) -> str:
    """Where AWS keeps the public keys of the load balancers of a region; "" for what is no load balancer's ARN."""
    found = _ARN.fullmatch(arn)
    return f"https://public-keys.auth.elb.{found[1]}.amazonaws.com" if found else ""
